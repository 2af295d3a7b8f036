"""What a remedy is: it shows the exact request of an action, and makes it once."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import Action, Json, JsonObject
from core.plugins import Plugin, Registry
from core.ports import HttpReply

TIMEOUT_S = 10.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TEXT = 500  # characters of an answer that are kept
_PLACE = re.compile(r"\{([a-z_]+)\}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as people see it and as it is made; secret headers are added when it is made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: JsonObject

    @property
    def data(self) -> bytes:
        """The body as it goes out."""
        return json.dumps(self.body, allow_nan=False).encode()


class Remedy(Plugin, ABC):
    """One way to carry an action out. Addresses come from settings and playbook only, never from an action."""

    @abstractmethod
    def preview(self, action: Action, subject: str) -> Request:
        """The request of the action, exactly, without secrets; ``subject`` is what its incident is about.

        Raises: ConfigError when the remedy is not set up; InputError when the action lacks or spoils a parameter.
        """

    @abstractmethod
    def execute(self, action: Action, subject: str, ctx: Context) -> JsonObject:
        """Makes the request once, under the action's id; what came back.

        Raises: ConfigError, InputError before anything was called; ProviderError when the call failed.
        """


remedies: Registry[Remedy] = Registry("remedy")


def values(action: Action, subject: str) -> JsonObject:
    """The action's parameters, with what its incident is about as ``subject`` and ``service``."""
    return {"subject": subject, "service": subject, **action.proposal.params}


def filled(template: str, values: Mapping[str, Json]) -> str:
    """The template with each ``{name}`` replaced by that parameter, which must be a plain name or version.

    Raises: InputError naming the parameter; ConfigError for a placeholder before the path.
    """
    if "{" in template.split("?")[0].removeprefix("https://").removeprefix("http://").split("/")[0]:
        raise ConfigError("The host of an action's address cannot be a parameter.", field="url")

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if not isinstance(found, str) or not _VALUE.fullmatch(found):
            raise InputError(f"The action's parameter {match[1]} is not a plain name or version.", field=match[1])
        return quote(found, safe="")

    return _PLACE.sub(value, template)


def call(request: Request, secret_headers: Mapping[str, str], ctx: Context) -> HttpReply:
    """Makes the request; answers with whatever status came back.

    Raises: InputError for an address that is not https (or this machine) or not on the list of action hosts;
    ProviderError when there is no answer: whether it took effect is then unknown.
    """
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    if parts.scheme != "https" and host not in LOOPBACK:
        raise InputError("Actions call https addresses or this machine only.", field="url")
    if host not in ctx.settings.action_hosts:
        raise InputError(f"{host} is not on the list of action hosts.", hint="Add it to TELLTALE_ACTION_HOSTS.")
    headers = {**request.headers, **secret_headers}
    return ctx.http.post(request.url, request.data, headers, TIMEOUT_S)


def outcome(reply: HttpReply, who: str) -> JsonObject:
    """A successful answer as a result. Raises: ProviderError for any status but 2xx."""
    if not 200 <= reply.status < 300:
        raise ProviderError(
            f"{who} refused the action ({reply.status}): {reply.text[:_TEXT]}".strip(),
            retryable=False,
            reason=f"status {reply.status}",
        )
    return {"status": reply.status, "answer": reply.text[:_TEXT]}
