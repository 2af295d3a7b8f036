"""The shell without a browser, in a home folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import access
from core.bootstrap import workbench
from core.load.options import LoadOptions
from core.model import CheckReport
from core.service import sources
from core.service.workbench import Recent, Workbench

ROOT = Path(__file__).parents[2]
CHECKED: Recent[CheckReport] = Recent(256)  # the same content is checked once for all tests of pages


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The process's workbench over an empty home folder; nothing cached from another test."""
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    workbench.cache_clear()
    st.cache_resource.clear()
    bench = workbench()
    object.__setattr__(bench, "checks", CHECKED)
    yield bench
    workbench.cache_clear()


@pytest.fixture
def opened(bench: Workbench) -> Callable[..., AppTest]:
    """Opens a page through the shell, as a link with these query parameters does."""

    def open_page(page: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=60)
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return open_page


@pytest.fixture
def saved(bench: Workbench) -> Callable[[str, bytes], str]:
    """Saves a CSV as a source with the proposed definition; answers its name."""

    def save(title: str, csv: bytes) -> str:
        options = LoadOptions()
        loaded = sources.read(bench, csv, f"{title}.csv", options)
        definition = sources.propose(bench, title, [(loaded, options)]).definition
        return sources.save(bench, access.local(bench.tenant), definition).name

    return save
