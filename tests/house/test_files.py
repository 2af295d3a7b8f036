"""Configuration files and documents stay in step with the code."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from core.settings import Settings

ROOT = Path(__file__).parents[2]
LOCKED = ("requirements.txt", "requirements-dev.txt")


def streamlit_config() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))


def test_example_lists_exactly_the_settings() -> None:
    assert sorted(example()) == sorted(name.upper() for name in Settings.model_fields)


def test_example_shows_the_defaults() -> None:
    shown = Settings(_env_file=ROOT / ".env.example")
    for name, field in Settings.model_fields.items():
        assert os.environ.get(name.upper()) or getattr(shown, name) == field.default, name


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name].description
    readme = ROOT / "README.md"
    assert not readme.exists() or name.upper() in readme.read_text()


@pytest.mark.parametrize("name", LOCKED)
def test_locked_requirements_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"--(extra-)?index-url|--find-links|https?://", text)


@pytest.mark.parametrize("name", LOCKED)
def test_locked_requirements_are_pinned_with_hashes(name: str) -> None:
    entries = re.split(r"\n(?=\w)", (ROOT / name).read_text())
    assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_server_is_closed_by_default() -> None:
    server = streamlit_config()["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableAgentApi"] is False
    assert server["enableXsrfProtection"] is True
    assert server["enableCORS"] is True
    assert server["allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert streamlit_config()["browser"]["gatherUsageStats"] is False


def test_theme_fetches_nothing_from_elsewhere() -> None:
    text = (ROOT / ".streamlit" / "config.toml").read_text()
    assert "://" not in text
    for face in re.findall(r'url = "app/static/(.+)"', text):
        assert (ROOT / "ui" / "static" / face).is_file()


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", ["primaryColor", "textColor", "linkColor"])
def test_text_colours_can_be_read(scheme: str, colour: str) -> None:
    """WCAG AA for normal text, on the page and on the grey of cards."""
    theme = streamlit_config()["theme"][scheme]
    assert isinstance(theme, dict)
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(theme[colour], theme[ground]) >= 4.5


def test_container_is_not_root_and_probes_its_health() -> None:
    text = (ROOT / "Dockerfile").read_text()
    final = text.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!root)\w+", final, re.M)
    assert "/healthz" in final.split("HEALTHCHECK", 1)[1]
    assert re.findall(r"^EXPOSE (.+)$", final, re.M) == ["8501"]
