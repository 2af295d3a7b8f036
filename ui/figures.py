"""Charts drawn once and sent again: building one takes longer than everything else on a page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

import pandas as pd
import streamlit as st
from streamlit.typing import VegaLiteState

if TYPE_CHECKING:
    import altair

    Draw = Callable[..., "altair.TopLevelMixin"]


def show(
    draw: Draw,
    frame: pd.DataFrame,
    *,
    alt: str,
    key: str | None = None,
    on_select: Callable[[], None] | Literal["ignore"] = "ignore",
    selection_mode: Iterable[str] | None = None,
    **options: object,
) -> VegaLiteState | None:
    """``draw(frame, **options)`` on the page; the same figures are drawn only once."""
    rows = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
    spec = _spec(f"{draw.__name__} {rows} {options!r}", draw, frame, options)
    shown = st.vega_lite_chart(
        json.loads(spec), key=key, on_select=on_select, selection_mode=selection_mode, alt=alt, width="stretch"
    )
    return shown if on_select != "ignore" else None  # type: ignore[return-value]


@st.cache_resource(max_entries=256, show_spinner=False)
def _spec(token: str, _draw: Draw, _frame: pd.DataFrame, _options: dict[str, object]) -> str:  # noqa: ARG001  (the key)
    return json.dumps(_draw(_frame, **_options).to_dict(validate=False))
