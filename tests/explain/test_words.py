"""How figures are written."""

from __future__ import annotations

import pytest

from core.explain import words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (17500.0, "", "17,500"),
        (5578.571428, "", "5,578.57"),
        (0.0388, "", "0.0388"),
        (0.049986, "", "0.04999"),
        (-0.705714, "", "-0.706"),
        (0.0, "", "0"),
        (86.0, "min", "86 min"),
        (-12.5, "$", "-$12.50"),
        (3.0, "%", "3%"),
        (None, "", "n/a"),
        (float("nan"), "", "n/a"),
        (1e-20, "", "0"),
    ],
)
def test_numbers(value: float | None, unit: str, text: str) -> None:
    assert words.number(value, unit) == text


def test_percentages_have_two_decimals_and_none_is_named() -> None:
    assert [words.percent(v) for v in (213.70038, -13.155, None)] == ["+213.70%", "-13.15%", "n/a (baseline 0)"]


def test_lists_and_counts() -> None:
    assert [words.listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [words.counted(n, "check") for n in (0, 1, 2)] == ["0 checks", "1 check", "2 checks"]
