"""An OpenAI-compatible server over real HTTP whose answers are scripted, faults included."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

ANSWER = {
    "status": "red",
    "summary": "Refunds rose by {E2.vs_baseline_pct} to {E2.value} [E2].",
    "top_drivers": [{"system": "revenue", "metric": "refunds", "direction": "up", "evidence": "{E2.value} [E2]"}],
    "recommended_actions": ["Review the refund queue."],
    "confidence": 0.8,
}
GOOD = json.dumps(ANSWER)
HANG_S = 30.0


def _completion(text: str | None, finish: str = "stop", **message: object) -> dict[str, object]:
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "fault-1",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 50, "completion_tokens": 30, "total_tokens": 80},
    }


def _error(message: str, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "error", "code": code}}


class LlmServer:
    """``with LlmServer(["500", "ok"]) as server``: one step per request, the last one repeats.

    Steps: ok 429 429_after quota 500 401 404 no_schema no_schema_500 no_max_tokens no_temperature slow drip hang
    drop html huge length refusal filter empty nochoices null_choices nousage think fenced prose single_quotes
    wrong_schema extra_key, or ``text:`` and the raw answer.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = list(steps)
        self.requests: list[dict[str, object]] = []
        self._stop = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Base URL for a client."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> LlmServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def next(self, request: dict[str, object]) -> str:
        """Takes note of the request and answers its step."""
        self.requests.append(request)
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def wait(self, seconds: float) -> None:
        """Sleeps, but not past the end of the test."""
        self._stop.wait(seconds)


TEXTS = {
    "ok": GOOD,
    "think": f'<think>Is it {{"status": "green"}}? No.</think>\n{GOOD}',
    "fenced": f"```json\n{GOOD}\n```",
    "prose": f"Here is the report you asked for:\n{GOOD}\nI hope this helps {{really}}.",
    "single_quotes": repr(ANSWER).replace("]}", "],}"),
    "wrong_schema": json.dumps({**ANSWER, "status": "purple"}),
    "extra_key": json.dumps({**ANSWER, "severity": "low"}),
}
STATUSES = {
    "429": (429, _error("slow down", "rate_limit_exceeded")),
    "429_after": (429, _error("slow down", "rate_limit_exceeded")),
    "quota": (429, _error("You exceeded your current quota", "insufficient_quota")),
    "500": (500, _error("boom")),
    "401": (401, _error("Incorrect API key provided: sk-verysecretkey1")),
    "404": (404, _error("no such model")),
}


def _body(step: str, request: dict[str, object]) -> tuple[int, object]:
    """Status and body of the steps that are plain answers."""
    if step in STATUSES:
        return STATUSES[step]
    wants_schema = "json_schema" in str(request.get("response_format"))
    if step == "no_schema" and "response_format" in request:
        return 400, _error("response_format is not supported")
    if step == "no_schema_500" and wants_schema:
        return 500, _error("response_format.type: Input should be 'text' or 'json_object'")
    if step == "no_max_tokens" and "max_tokens" in request:
        return 400, _error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    if step == "no_temperature" and "temperature" in request:
        return 400, _error("Unsupported value: 'temperature' does not support 0.")
    special = {
        "length": _completion(GOOD[:90], "length"),
        "refusal": _completion(None, refusal="I cannot help with that."),
        "filter": _completion("", "content_filter"),
        "empty": _completion("  "),
        "nochoices": {**_completion(GOOD), "choices": []},
        "null_choices": {"id": "x", "choices": None, "error": {"message": "upstream failed"}},
        "nousage": {**_completion(GOOD), "usage": None},
    }
    if step in special:
        return 200, special[step]
    return 200, _completion(step[5:] if step.startswith("text:") else TEXTS.get(step, GOOD))


class _Handler(BaseHTTPRequestHandler):
    script: LlmServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        step = self.script.next(request)
        self.close_connection = True
        if step == "hang":
            self.script.wait(HANG_S)
        elif step in ("slow", "drip"):
            self._slowly(step)
        elif step == "html":
            self._send(200, b"<html><body>502 Bad Gateway</body></html>", "text/html")
        elif step == "huge":
            self._send(200, b" " * (3 << 20))
        elif step != "drop":
            status, body = _body(step, request)
            self._send(status, json.dumps(body).encode(), after="1" if step == "429_after" else None)

    def _slowly(self, step: str) -> None:
        """``slow`` sends half and stalls; ``drip`` sends a byte now and then, for longer than anyone waits."""
        body = json.dumps(_completion(GOOD)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        pieces = [body[:40], body[40:]] if step == "slow" else [body[i : i + 1] for i in range(len(body))]
        try:
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                self.script.wait(HANG_S if step == "slow" else 0.05)
        except OSError:
            return

    def _send(self, status: int, body: bytes, kind: str = "application/json", after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        if after:
            self.send_header("retry-after", after)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return
