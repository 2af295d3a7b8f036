"""Webhooks of machines: the Standard Webhooks signature, one secret for each sender, every message taken once."""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from core.access import Principal
from core.errors import ConfigError
from core.service.workbench import Workbench
from server.errors import Unauthorized

TOLERANCE: Final = timedelta(minutes=5)
MOST_SIGNATURES: Final = 8  # a sender that changes its secret signs with both; nobody needs more
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")  # no dot: it separates the signed parts


def message_id(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
    """The id of a message whose signature and time hold.

    Raises: Unauthorized for anything else, however malformed; ConfigError for an unusable secret.
    Source: Standard Webhooks 1.0.0.
    """
    given, at = headers.get("webhook-id", ""), _time(headers.get("webhook-timestamp", ""))
    if not _ID.fullmatch(given) or at is None or abs(now - at) > TOLERANCE:
        raise _refusal()
    try:
        expected = Webhook(secret).sign(given, at, body.decode()).encode()
    except UnicodeDecodeError:
        raise _refusal() from None
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise ConfigError("A webhook secret is not base64.", field="TELLTALE_WEBHOOK_SECRETS") from None
    offered = headers.get("webhook-signature", "").split(" ")[:MOST_SIGNATURES]
    matches = [hmac.compare_digest(expected, one.encode("utf-8", "replace")) for one in offered]
    if not any(matches):
        raise _refusal()
    return given


def sender(wb: Workbench, name: str, tenant: str, headers: Mapping[str, str], body: bytes) -> Principal:
    """The machine that signed the message, which was not taken before; it may report and read, never approve.

    Raises: Unauthorized.
    """
    now, secret = wb.ctx.clock.now(), wb.ctx.settings.senders.get((tenant, name))
    if secret is None:
        raise _refusal()
    given = message_id(headers, body, secret, now)
    with wb.store.begin() as books:
        if not books.replays.first_use(f"webhook:{tenant}/{name}:{given}", now, 2 * TOLERANCE):
            raise Unauthorized("This message was taken before.")
    scopes = frozenset({"incidents:read", "incidents:write"})
    return Principal(f"sender:{name}", tenant, "responder", scopes, token=name)  # type: ignore[arg-type]


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if re.fullmatch(r"[0-9]{1,11}", text) else None


def _refusal() -> Unauthorized:
    return Unauthorized("The signature of this message does not hold.")
