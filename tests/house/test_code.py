"""The rules of the house, read off the source code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = ("core", "server", "ui", "pages", "tests", "bench", "playbooks", "docs")
NEEDS_ALT = {"altair_chart", "dataframe", "data_editor", "table", "image"}


def sources(*folders: str) -> list[Path]:
    """Python files below the folders, and the two entry scripts when all of them are asked for."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_layers_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", [*sources("core", "server"), ROOT / "cli.py"], ids=named)
def test_product_never_imports_streamlit(path: Path) -> None:
    if path.exists():
        assert not [name for name in imports(path) if name.split(".")[0] == "streamlit"]


def test_core_works_where_streamlit_is_missing() -> None:
    code = (
        "import sys; sys.modules['streamlit'] = None\nimport core.settings, core.access, core.telemetry, server.routes"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_shell_folder_holds_no_pages_folder() -> None:
    """With one, a fresh process would run a deep-linked page without the shell and its gate."""
    assert not (ROOT / "ui" / "pages").exists()


@pytest.mark.parametrize("path", sources("pages"), ids=named)
def test_page_only_composes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 150
    assert "auth.require(" in text


def calls_without_alt(path: Path) -> list[str]:
    """Charts and tables a screen reader could not name: calls of ``st.*`` or of a container without ``alt=``."""
    return [
        f"{named(path)}:{node.lineno} {node.func.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in NEEDS_ALT
        and "alt" not in {keyword.arg for keyword in node.keywords}
    ]


@pytest.mark.parametrize("path", sources("pages", "ui"), ids=named)
def test_every_chart_and_table_has_a_text_alternative(path: Path) -> None:
    assert calls_without_alt(path) == []


@pytest.mark.parametrize("path", sources("pages", "ui"), ids=named)
def test_pages_ship_no_style_of_their_own(path: Path) -> None:
    assert "unsafe_allow_html" not in path.read_text()


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
    files = [*sources(*WRITTEN), *ROOT.glob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert [named(path) for path in files if marks.search(path.read_text())] == []


@pytest.mark.parametrize("path", sources("core", "server", "ui"), ids=named)
def test_module_is_one_room(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= (900 if path.name == "model.py" else 400)
