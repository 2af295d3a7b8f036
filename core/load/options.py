"""What a person may state about a file instead of having it detected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.model import ColumnType


class LoadOptions(BaseModel):
    """Corrections by hand; every field left empty is detected from the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: str | None = Field(None, description="Text encoding, such as utf-8 or cp1252")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Column separator")
    quote: str | None = Field(None, min_length=1, max_length=1, description="Quote character")
    header_row: int | None = Field(
        None, ge=0, description="Line of the column names (1 is the first; 0: there is none)"
    )
    decimal: Literal[".", ","] | None = Field(None, description="Decimal separator")
    thousands: Literal["", ",", ".", " ", "'"] | None = Field(None, description="Thousands separator")
    day_first: bool | None = Field(None, description="Whether 03/04/2025 is 3 April")
    types: Mapping[str, ColumnType] = Field(default_factory=dict, description="Column types by column name")
    sheet: str | None = Field(None, description="Worksheet of a spreadsheet file")
    time_column: str | None = Field(None, description="Column that says when")
