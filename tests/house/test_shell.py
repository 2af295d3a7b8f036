"""The way in: who may pass the shell, seen without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.bootstrap import workbench

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    workbench.cache_clear()
    return AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=30)


def test_without_login_everybody_here_is_the_administrator(shell: AppTest) -> None:
    shell.run()
    assert not shell.exception
    assert "Local mode: no login" in shell.sidebar.markdown[0].value


def test_a_configured_login_shuts_the_door(shell: AppTest) -> None:
    """Nobody can sign in yet, so nobody is let in: never the local administrator behind an [auth] section."""
    shell.secrets["auth"] = {"cookie_secret": "0" * 64}
    shell.run()
    assert [error.value for error in shell.error] == ["A login is configured, but this version cannot sign anybody in."]
    assert not shell.title
    assert not shell.sidebar.markdown
