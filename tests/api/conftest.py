"""The real application behind a client on this machine, and single routes behind fakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.desk import Desk, laid_out


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application with its own lifespan and home; one per process, because Streamlit's runtime is one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.service.background.warm", lambda: None)  # seconds of import that no route needs
        with pytest.MonkeyPatch.context() as environment:  # only while it is built: other tests have their own
            environment.setenv("TELLTALE_HOME", str(tmp_path_factory.mktemp("home")))
            environment.setenv("TELLTALE_DEMO", "false")
            import app
            from core.bootstrap import background, workbench

            background.cache_clear()
            workbench.cache_clear()
            background()
        with TestClient(app.app, base_url="http://127.0.0.1:8501", client=("127.0.0.1", 50000)) as running:
            yield running


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A workbench of two tenants with its routes behind a configured login."""
    desk = laid_out(tmp_path)
    yield desk
    desk.wb.store.close()
