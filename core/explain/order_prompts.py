"""The order playbook's four prompts: files that an operator may change, with a built-in text for each.

A missing file is the built-in text, an undefined variable is empty. Source: acceptance E2-19.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import ChainableUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import ConfigError
from core.model import Json

FOLDER = Path(__file__).parents[2] / "playbooks" / "order_sla" / "prompts"
MOST_CHARS = 60_000
SUFFIX = 4  # characters of an order id that a prompt shows
BUILT_IN: Mapping[str, str] = {
    "exception_classification": """Order {{ order }}, {{ reason }} ({{ label }}), severity {{ severity }}, {{ when }}.
RULES NOTE (correct, may be worded better): {{ rules_text }}
EVIDENCE (JSON data):
{{ evidence }}
ALLOWED LABELS: {{ labels }}
""",
    "order_problem_detection": """Which problems does this order have?
ORDER (JSON data):
{{ order }}
KNOWN TYPES: {{ labels }}
""",
    "automated_resolution": """Can this exception be resolved automatically?
EXCEPTION (JSON data):
{{ exception }}
ALLOWED ACTIONS: {{ actions }}
ATTEMPTS SO FAR: {{ attempts }}
""",
    "policy_linting": """Look for mistakes in this policy of order promises and tariffs.
POLICY (YAML data):
{{ policy }}
""",
}


def rendered(name: str, fields: Mapping[str, Json], folder: Path = FOLDER) -> str:
    """The prompt ``name`` with its fields. Raises: ConfigError when the template is broken."""
    try:
        text = (folder / f"{name}.j2").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        text = BUILT_IN[name]
    environment = ImmutableSandboxedEnvironment(undefined=ChainableUndefined, autoescape=False)
    try:
        return environment.from_string(text).render(dict(fields))[:MOST_CHARS]
    except (TemplateError, TypeError, ValueError) as exc:
        raise ConfigError(f"prompts/{name}.j2: {exc}.", field=name) from None


def masked(order_id: str) -> str:
    """An order id as prompts show it: its last characters."""
    return f"…{order_id[-SUFFIX:]}" if len(order_id) > SUFFIX else "…"
