"""Where a page's file is: links name it by its whole path, because the main script lies in ``ui/``."""

from __future__ import annotations

from pathlib import Path

PAGES = Path(__file__).parent.parent / "pages"


def page(name: str) -> str:
    """The file of a page, as ``st.page_link`` and ``st.switch_page`` take it."""
    return str(PAGES / f"{name}.py")
