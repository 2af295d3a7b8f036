"""The whole path against a real local model: whatever it says, nothing unverified is shown without a flag."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.llm import OpenAIModel
from core.explain import asking, wording
from core.explain.verify import verify
from core.model import Source
from tests.explain.conftest import demo_question
from tests.explain.fakes import MemoryLedger, context

pytestmark = [
    pytest.mark.localmodel,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None,
        reason="needs the local model of requirements-llm-test.txt",
    ),
]


@pytest.fixture
def address() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("llm_local.py")), str(port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        started = next((line for line in process.stdout if "127.0.0.1" in line), "")
        assert started, "the local model server did not start"
        yield f"http://127.0.0.1:{port}/v1"
        process.kill()


def test_a_real_model_ends_in_checked_ai_or_in_rules(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_TOKENS", 220)  # enough for a short answer; a tiny model rambles
    ledger = MemoryLedger()
    ctx = context(None, ledger, telltale_model_timeout_s=120.0)
    model = OpenAIModel(address, "none", "smollm2", clock=ctx.clock, profile="llamacpp")
    full = demo_question()
    small = replace(full, deltas=full.deltas[:2], findings=full.findings[:1], quiet=("gross",))
    found = wording.explain(small, replace(ctx, model=model), template="{{ rules_text }}\n{{ evidence }}")
    assert found.tokens > 0
    assert ledger.open == set()
    if found.source is Source.RULES:
        assert found.fallback_reason
    text = "\n".join([found.summary, *(f"{d.metric}: {d.evidence}" for d in found.drivers)])
    assert set(verify(text, found.evidence).unmatched) <= set(found.verification.unmatched)
    unverified = sum(value for name, value in found.confidence.parts if "unverified" in name)
    assert (unverified < 0) == bool(found.verification.unmatched)
