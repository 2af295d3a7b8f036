"""Orders for the tests of pages: six of them on Monday 2025-08-18, judged at 12:30 UTC."""

from __future__ import annotations

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from core.access import local
from core.adapters.clock import FixedClock
from core.service import ingest
from core.service.workbench import Workbench
from tests.playbooks.order_scene import event, jsonl, moment

ANA = local("default")
NOON = "12:30"
EVENTS = (
    event("order_paid", "10:00", "ORD-LATE", carrier="dhl"),
    event("order_paid", "10:40", "ORD-SOON", rush=True),
    event("order_paid", "11:30", "ORD-FRAG", fragile=True),
    event("order_paid", "08:00", "ORD-SLOW"),
    event("pick_completed", "10:30", "ORD-SLOW"),
    event("pack_completed", "11:00", "ORD-SLOW"),
    event("label_created", "11:05", "ORD-SLOW"),
    event("order_paid", "07:00", "ORD-DONE"),
    event("pick_completed", "08:00", "ORD-DONE"),
    event("pack_completed", "09:00", "ORD-DONE"),
    event("label_created", "09:05", "ORD-DONE"),
    event("picked_up", "10:00", "ORD-DONE", carrier="ups"),
    event("delivered", "12:00", "ORD-DONE", carrier="ups"),
    event("order_paid", "09:00", "ORD-GONE"),
    event("order_cancelled", "09:30", "ORD-GONE"),
)


def stand_still(bench: Workbench, at: str = NOON) -> None:
    """The workbench's clock shows this time of the Monday from now on."""
    object.__setattr__(bench, "ctx", replace(bench.ctx, clock=FixedClock(moment(at))))


def tell(bench: Workbench) -> None:
    """The six orders' events come in."""
    ingest.upload(bench, ANA, "events.jsonl", jsonl(EVENTS))


def texts(at: AppTest) -> str:
    """Everything that the page says in words."""
    shown = (
        *at.markdown, *at.header, *at.subheader, *at.caption, *at.title, *at.info, *at.success, *at.warning, *at.error
    )  # fmt: skip
    return "\n".join(str(e.value) for e in shown).replace("\\", "")


def metric(at: AppTest, label: str) -> tuple[str, str]:
    """A figure and what is said below it."""
    found = next(m for m in at.metric if m.label == label)
    return found.value, found.delta
