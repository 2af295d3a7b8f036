"""Outgoing HTTP that cannot be turned against the network it runs in."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from core.errors import InputError, ProviderError
from core.ports import HttpReply, Method

if TYPE_CHECKING:
    import requests

LONGEST_REPLY = 64 * 1024
_AGENT = "Telltale"


class SafeHttp:
    """The :class:`core.ports.Http` of the workbench.

    Only https to public addresses, checked on the very address that is connected to; ``allow`` lists hosts
    (``host`` or ``host:port``) that may be private or plain http. Redirects are not followed and the proxy settings
    of the environment not used. No error text holds more of a URL than its host: a webhook's path is a secret.
    """

    def __init__(self, allow: Collection[str] = (), longest: int = LONGEST_REPLY) -> None:
        self._longest = longest  # bytes of an answer that are read
        self._allow = frozenset(host.strip().lower() for host in allow if host.strip())

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = 10.0) -> HttpReply:
        """Sends one POST. Raises: as :meth:`request`."""
        return self.request("POST", url, body, headers, timeout_s)

    def request(
        self, method: Method, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = 10.0
    ) -> HttpReply:
        """Sends one request; answers with whatever status came back, 3xx included. An empty ``body`` is none.

        Raises: InputError for a refused URL; ProviderError with ``reason`` timeout, connection or tls.
        """
        import requests  # here and below: only calls need it, and a start should not wait for it

        parts = _split(url)
        host = parts.hostname or ""
        listed = host in self._allow or f"{host}:{_port(parts)}" in self._allow
        if parts.scheme != "https" and not listed:
            raise InputError(f"Only https addresses are called; {host} is not on the list of exceptions.", field="url")
        try:
            return self._send(method, url, body, headers, timeout_s, filtered=not listed)
        except requests.RequestException as exc:
            raise _mapped(exc, host) from None  # the cause's text holds the URL

    def _send(
        self, method: Method, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, *, filtered: bool
    ) -> HttpReply:
        from requests_hardened import Config, Manager

        config = Config(
            ip_filter_enable=filtered,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=(timeout_s, timeout_s),
            user_agent_override=_AGENT,
        )
        deadline = time.monotonic() + timeout_s
        with Manager(config).get_session() as session:
            session.trust_env = False
            plain = {**headers, "Accept-Encoding": "identity"}
            with session.request(method, url, data=body, headers=plain, stream=True) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpReply(response.status_code, names, _text(response, deadline, self._longest))


def _text(response: requests.Response, deadline: float, longest: int) -> str:
    """The beginning of the body; a server that drips it out is cut off at the deadline."""
    import requests

    kept = bytearray()
    for chunk in response.iter_content(8192):
        kept += chunk
        if len(kept) >= longest:
            break
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return bytes(kept[:longest]).decode("utf-8", "replace")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and _port(parts) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError("This is not an http(s) address.", hint="Expected https://host/path.", field="url")
    if parts.username is not None or parts.password is not None:
        raise InputError("An address with a user name or password in it is not called.", field="url")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else {"https": 443}.get(parts.scheme, 80)


def _mapped(error: requests.RequestException, host: str) -> InputError | ProviderError:
    import requests
    from requests_hardened.ip_filter import InvalidIPAddress

    if isinstance(error, InvalidIPAddress):
        hint = "Add the host to TELLTALE_HTTP_ALLOW if it is meant."
        return InputError(f"{host} leads to a private address and is not called.", hint=hint, field="url")
    if isinstance(error, requests.Timeout):
        return ProviderError(f"{host} did not answer in time.", retryable=True, reason="timeout")
    if isinstance(error, requests.exceptions.SSLError):
        return ProviderError(f"{host} has no certificate that can be trusted.", retryable=False, reason="tls")
    if isinstance(
        error,
        requests.ConnectionError | requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError,
    ):
        return ProviderError(f"{host} cannot be reached.", retryable=True, reason="connection")
    return InputError(f"The request to {host} cannot be made.", field="url")
