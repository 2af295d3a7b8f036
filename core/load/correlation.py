"""The id that follows an order: from its events to its exceptions, their explanations, messages and audit."""

from __future__ import annotations

from hashlib import blake2b


def correlation_id(tenant: str, order_id: str) -> str:
    """The order's own id, the same for each of its events by whatever way and in whatever order they come."""
    return "ord-" + blake2b(f"{tenant}\n{order_id}".encode(), digest_size=8).hexdigest()
