from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.redaction import Redactor
from core.store.books import Store
from tests import postgres

CANARY = "canary-7f3a-secret"


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'telltale.db'}"
    cluster: postgres.Cluster = request.getfixturevalue("cluster")
    return cluster.new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url, Redactor([CANARY]))
    yield store
    store.close()
