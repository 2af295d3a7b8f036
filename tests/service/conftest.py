"""A workbench with real channels: a mail server and a webhook on loopback, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core.access import Principal
from core.bootstrap import build
from core.model import CheckReport
from core.service.workbench import Recent, Workbench
from core.settings import Settings
from tests.adapters import mail_server
from tests.adapters.mail_server import Post

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
CHECKED = Recent[CheckReport](8)  # the same demo files, checked once for all tests
HOOK = "/services/T0/B0/canary-webhook-secret"


@dataclass
class Hand:
    """A clock that stands until the test moves it."""

    at: datetime = field(default=NOW)

    def now(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server.running() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, post: Post, httpserver: HTTPServer) -> Settings:
    return Settings(
        _env_file=None,
        telltale_home=tmp_path,
        openai_api_key=None,
        smtp_host="127.0.0.1",
        smtp_port=post.port,
        smtp_security="none",
        smtp_to="ops@example.com",
        slack_webhook_url=SecretStr(httpserver.url_for(HOOK)),
    )


@pytest.fixture
def opened(settings: Settings, clock: Hand) -> Iterator[Callable[[], Workbench]]:
    """Opens one workbench after another over the same database."""
    benches: list[Workbench] = []

    def make() -> Workbench:
        benches.append(replace(build(settings, clock), checks=CHECKED))
        return benches[-1]

    yield make
    for bench in benches:
        bench.store.close()
        bench.ctx.engine.close()


@pytest.fixture
def wb(opened: Callable[[], Workbench]) -> Workbench:
    return opened()


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="admin")
