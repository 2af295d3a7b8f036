"""Any OpenAI-compatible endpoint as a LanguageModel: one question, one raw answer, every fault by name.

The answer is read here byte for byte instead of by the SDK's parser: that one loses usage and text of
an invalid answer, and lets ``TypeError`` and ``JSONDecodeError`` through.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.adapters.breaker import Breaker
from core.errors import ProviderError
from core.model import Json
from core.ports import Clock, ModelReply, ModelRequest

if TYPE_CHECKING:
    import openai

Profile = Literal["openai", "llamacpp", "json_object", "text"]
RUNGS = ("json_schema", "json_object", "text")
ATTEMPTS = 2
MAX_BODY = 1 << 20
WAIT_S = 0.5  # before the second attempt, unless the server names a time

PRICES_AS_OF = "2025-06"
PRICES: Mapping[str, tuple[float, float]] = {  # USD per million prompt and completion tokens, list prices
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4o": (2.50, 10.00),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
}
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_NO_SCHEMA = re.compile(r"response_format|json_schema|schema|grammar|'json_object'", re.IGNORECASE)
_LENGTHS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_HARMLESS = frozenset({"refusal", "content_filter", "empty", "length"})  # the service works; its answer is no use


@dataclass
class _Dialect:
    """What the endpoint was found to accept; kept, so that it is found out only once."""

    rung: int = 0
    limit: str = "max_tokens"
    temperature: bool = True

    def learn(self, complaint: str) -> bool:
        """Gives up what the endpoint complains about; False when it is something else."""
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            self.limit = "max_completion_tokens"
        elif self.temperature and "temperature" in complaint:
            self.temperature = False
        elif self.rung + 1 < len(RUNGS) and _NO_SCHEMA.search(complaint):
            self.rung += 1
        else:
            return False
        return True


class OpenAIModel:
    """The :class:`core.ports.LanguageModel` over ``chat.completions``.

    Two attempts at most, each within the request's time limit; a server without JSON schemas is asked for a JSON
    object, then for text. ``prices`` are USD per million prompt and completion tokens; without them, and for a
    model that the built-in table does not know, the cost is None.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        *,
        clock: Clock,
        profile: Profile = "openai",
        prices: tuple[float, float] | None = None,
        breaker: Breaker | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._model = model
        self._profile = profile
        self._prices = prices or PRICES.get(_DATED.sub("", model))
        self._breaker = breaker or Breaker(clock, name=f"The model {model}")
        self._sleep = sleep
        self._dialect = _Dialect(rung=RUNGS.index(profile) if profile in RUNGS else 0)
        self._client: openai.OpenAI | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The configured model."""
        return self._model

    @property
    def state(self) -> str:
        """The breaker's state: ``closed``, ``open`` or ``half_open``."""
        return self._breaker.state

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """USD for so many tokens, or None when the model's price is not known."""
        if self._prices is None:
            return None
        return (prompt_tokens * self._prices[0] + completion_tokens * self._prices[1]) / 1e6

    def ask(self, request: ModelRequest) -> ModelReply:
        """The model's raw answer.

        Raises: ProviderError with a ``reason``: breaker_open, timeout, connection, rate_limited, quota, auth,
            not_found, bad_request, server_error, malformed_response, no_choices, refusal,
            content_filter, length, empty.
        """
        tries = 0
        while True:
            self._breaker.admit()
            try:
                reply = self._once(request)
            except ProviderError as fault:
                if fault.reason == "unsupported" and self._dialect.learn(fault.message):
                    continue
                self._count(fault)
                tries += 1
                too_long = (fault.retry_after_s or 0.0) > request.timeout_s
                if tries >= ATTEMPTS or not fault.retryable or too_long:
                    raise _final(fault) from None
                self._sleep(WAIT_S if fault.retry_after_s is None else fault.retry_after_s)
            else:
                self._breaker.succeeded()
                return reply

    def _count(self, fault: ProviderError) -> None:
        if fault.reason in _HARMLESS:
            self._breaker.succeeded()
        else:
            self._breaker.failed()

    def _once(self, request: ModelRequest) -> ModelReply:
        """One HTTP call. The SDK's time limit is per read, so a dripping answer is cut off by our own deadline."""
        client = self._connected()  # imports openai, before its exceptions are named below
        import httpx2
        import openai

        deadline = time.monotonic() + request.timeout_s
        try:
            with client.chat.completions.with_streaming_response.create(**self._arguments(request)) as response:
                body = _read(response.iter_bytes(), deadline)
        except (openai.OpenAIError, httpx2.HTTPError) as exc:
            raise _fault(exc) from None
        return self._reply(request, body)

    def _connected(self) -> openai.OpenAI:
        with self._lock:
            if self._client is None:
                import openai

                self._client = openai.OpenAI(base_url=self._base_url, api_key=self._api_key, max_retries=0)
            return self._client

    def _arguments(self, request: ModelRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}],
            self._dialect.limit: request.max_tokens,
            "timeout": request.timeout_s,
        }
        if self._dialect.temperature:
            arguments["temperature"] = 0
        rung = RUNGS[self._dialect.rung]
        if rung == "json_object":
            arguments["response_format"] = {"type": "json_object"}
        elif rung == "json_schema":
            schema = request.schema if self._profile == "llamacpp" else _without_lengths(request.schema)
            wanted = {"name": request.schema_name, "strict": True, "schema": schema}
            arguments["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return arguments

    def _reply(self, request: ModelRequest, body: bytes) -> ModelReply:
        data = _document(body)
        text = _text(data)
        usage = _usage(data.get("usage"))
        prompt, completion = usage or (estimated(request.system + request.user), estimated(text))
        model = data.get("model")
        return ModelReply(
            text=text,
            model=model if isinstance(model, str) and model else self._model,
            prompt_tokens=prompt,
            completion_tokens=completion,
            usage_known=usage is not None,
            cost_usd=self.cost(prompt, completion),
            rung=RUNGS[self._dialect.rung],
        )


def estimated(text: str) -> int:
    """An upper bound of the tokens of a text: one per three bytes."""
    return math.ceil(len(text.encode()) / 3)


def _read(chunks: Iterable[bytes], deadline: float) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if time.monotonic() > deadline:
            raise _timeout()
        if len(body) > MAX_BODY:
            raise _malformed("is longer than 1 MiB")
    return body


def _document(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("is not JSON") from None
    if not isinstance(data, dict):
        raise _malformed("is not a JSON object")
    return data


def _text(data: Mapping[str, Any]) -> str:
    """The answer's text. Raises: ProviderError when there is none, by the reason why."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ProviderError("The model's reply holds no answer.", retryable=True, reason="no_choices")
    message = choices[0].get("message")
    message = message if isinstance(message, dict) else {}
    finish = choices[0].get("finish_reason")
    if message.get("refusal"):
        raise ProviderError("The model refused to answer.", retryable=False, reason="refusal")
    if finish == "content_filter":
        raise ProviderError("The model's content filter stopped the answer.", retryable=False, reason="content_filter")
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        reason = "length" if finish == "length" else "empty"
        raise ProviderError("The model's answer is empty.", retryable=False, reason=reason)
    return content


def _usage(usage: object) -> tuple[int, int] | None:
    """Prompt and completion tokens, or None when the server did not count them."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt, completion) if type(prompt) is int and type(completion) is int else None


def _without_lengths(schema: Json) -> Json:
    """Hosted endpoints refuse length and range keywords in strict mode."""
    if isinstance(schema, Mapping):
        return {k: _without_lengths(v) for k, v in schema.items() if k not in _LENGTHS}
    return [_without_lengths(v) for v in schema] if isinstance(schema, list) else schema


def _timeout() -> ProviderError:
    return ProviderError("The model did not answer in time.", retryable=True, reason="timeout")


def _malformed(what: str) -> ProviderError:
    return ProviderError(f"The model server's reply {what}.", retryable=False, reason="malformed_response")


def _final(fault: ProviderError) -> ProviderError:
    """A complaint that no rung answers is an ordinary refused request; its text came from outside and is dropped."""
    if fault.reason != "unsupported":
        return fault
    return ProviderError("The model server refused the request.", retryable=False, reason="bad_request")


def _fault(exc: Exception) -> ProviderError:
    """A foreign exception as ours. Messages are our own: a server's may quote the key."""
    import httpx2
    import openai

    if isinstance(exc, openai.APIStatusError):
        return _status(exc)
    if isinstance(exc, (openai.APITimeoutError, httpx2.TimeoutException)):
        return _timeout()
    if isinstance(exc, (openai.APIConnectionError, httpx2.HTTPError)):
        return ProviderError("The model server cannot be reached.", retryable=True, reason="connection")
    return _malformed("cannot be understood")


def _status(exc: openai.APIStatusError) -> ProviderError:
    code, complaint = exc.status_code, f"{exc.message} {exc.body}"[:2000]
    if code in (400, 422) or (code >= 500 and _NO_SCHEMA.search(complaint)):
        return ProviderError(complaint, retryable=False, reason="unsupported")
    if code == 429 and (exc.code == "insufficient_quota" or "quota" in complaint):
        return ProviderError("The model account's quota is used up.", retryable=False, reason="quota")
    reasons = {401: "auth", 403: "auth", 404: "not_found", 408: "timeout", 429: "rate_limited"}
    reason = reasons.get(code, "server_error" if code >= 500 else "bad_request")
    return ProviderError(
        f"The model server answered with HTTP {code}.",
        retryable=code in (408, 409, 429) or code >= 500,
        reason=reason,
        retry_after_s=_retry_after(exc.response.headers.get("retry-after")),
    )


def _retry_after(header: str | None) -> float | None:
    try:
        seconds = float(header or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
