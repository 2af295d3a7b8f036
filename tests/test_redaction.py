"""Secrets and personal data never leave; figures, dates and timestamps always stay."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.redaction import RedactingFilter, Redactor, mask_pii


@pytest.mark.parametrize(
    ("text", "gone", "tag"),
    [
        ("write to jane.doe+x@example.co.uk.", "jane.doe", "[e-mail]"),
        ("call +49 151 1234 5678 now", "1234", "[phone]"),
        ("call +4915112345678 now", "15112345678", "[phone]"),
        ("(555) 123-4567", "123-4567", "[phone]"),
        ("555-123-4567", "4567", "[phone]"),
        ("phone: 0151 12345678", "12345678", "[phone]"),
        ("ssn 123-45-6789", "6789", "[ssn]"),
        ("SSN: 123456789", "123456789", "[ssn]"),
        ("card 4111 1111 1111 1111 ok", "4111", "[card]"),
        ("card 4111111111111111 ok", "4111", "[card]"),
        ("5500-0000-0000-0004", "5500", "[card]"),
        ("3782 822463 10005", "3782", "[card]"),
        ("pay DE89 3704 0044 0532 0130 00 EUR", "3704", "[iban]"),
        ("GB82WEST12345698765432", "WEST", "[iban]"),
        ("key sk-proj-abc123def456ghi", "abc123", "[secret]"),
        ("ghp_abcdefghijklmnopqrst1234", "abcdef", "[secret]"),
        ("xoxb-123456789012-abcdef", "123456789012", "[secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7", "[secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "eyJ", "[secret]"),
        ("Authorization: Bearer abc123def456", "abc123", "[secret]"),
        ("password=hunter2 x", "hunter2", "[secret]"),
        ('{"api_key": "k-9 9"}', "k-9", "[secret]"),
        ("postgresql://me:pa55@host/db", "pa55", "[secret]"),
    ],
)
def test_personal_data_and_credentials_are_masked(text: str, gone: str, tag: str) -> None:
    masked = mask_pii(text)
    assert gone not in masked
    assert tag in masked


@pytest.mark.parametrize(
    "text",
    [
        "refunds 17500 (+213.70 % vs 7-day mean 5578.5714)",
        "2025-12-13T00:00:00+00:00",
        "2025-12-13 09:30:00 +0000, then 2025-12-14",
        "1765584000000 and 1765584000000000 are epochs",
        "105,300 -> 87,800; -17,500; +1,250,000",
        "abs +1 2025-12-13",
        "delta +12345678 or +1234567.89",
        "0.4111111111111111",
        "window 2025-12-06..2025-12-12, 7 days",
        "risk-adjusted-return-2024 rose",
        "360 210 1982 5.5",
        "INC-0A1B2C3D and 123e4567-e89b-12d3-a456-426614174000",
        "mobile 1234567 sessions",
        "tokens: 1200",
        "Basic plan, bearer of news",
    ],
)
def test_figures_dates_and_identifiers_stay(text: str) -> None:
    assert mask_pii(text) == text


@settings(deadline=None, max_examples=200)
@given(
    st.floats(-1e12, 1e12, allow_nan=False), st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)), st.integers(0, 4)
)
def test_any_figure_and_time_stays(value: float, when: datetime, places: int) -> None:
    text = f"{value:,.{places}f} {value!r} {when.replace(tzinfo=UTC).isoformat()} {when.date()} {value:+,.2f} %"
    assert mask_pii(text) == text


def test_masked_json_stays_json() -> None:
    masked = mask_pii(json.dumps({"password": "a b", "mail": "a@b.io", "n": 17500}))
    assert json.loads(masked) == {"password": "[secret]", "mail": "[e-mail]", "n": 17500}


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=4, max_size=20))
def test_a_secret_is_found_in_every_written_form(secret: str) -> None:
    if len(secret.strip()) < 4 or secret.strip("[secrt]") == "":
        return
    redactor = Redactor([secret])
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert redactor.text(f"<<{form}>>") == "<<[secret]>>"


def test_redactor_keeps_the_shape_of_json_and_finds_the_password_in_a_url() -> None:
    redactor = Redactor(["postgresql+psycopg://u:p%40ss-word@db/x", "", "ab"], pii=True)
    out = redactor.json({"a": ["p@ss-word", 5, None, True], "p%40ss-word": {"mail": "x@y.zz"}, "ab": "ab"})
    assert out == {"a": ["[secret]", 5, None, True], "[secret]": {"mail": "[e-mail]"}, "ab": "ab"}


def test_a_log_record_holds_no_secret_even_in_its_traceback() -> None:
    try:
        raise ValueError("refused hunter22")
    except ValueError as exc:
        record = logging.LogRecord("x", 40, "f", 1, "login %s", ("hunter22",), (ValueError, exc, exc.__traceback__))
    assert RedactingFilter(Redactor(["hunter22"])).filter(record)
    line = logging.Formatter().format(record)
    assert "hunter22" not in line
    assert "login [secret]" in line
    assert "refused [secret]" in line
