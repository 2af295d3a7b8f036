"""The Order policy page without a browser: checked by line, tried before it is saved, and taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal
from core.service import order_policies
from core.service.workbench import Workbench
from tests.pages.orders import ANA, metric, stand_still, tell, texts
from ui import auth

Open = Callable[..., AppTest]
TIGHT = "sla:\n  pick_minutes: 50\n"


@pytest.fixture
def noon(bench: Workbench) -> Workbench:
    """Six orders at 12:30 of a Monday."""
    stand_still(bench)
    tell(bench)
    return bench


def typed(at: AppTest, text: str, round_: int = 0) -> AppTest:
    at.text_area(key=f"policy_text_{round_}").set_value(text).run()
    return at


def test_the_defaults_are_valid_and_cannot_be_saved_unchanged(opened: Open, noon: Workbench) -> None:
    at = opened("order_policy")
    assert not at.exception
    shown = texts(at)
    assert "In force: the shipped defaults." in shown
    assert "The lint has nothing to add." in shown
    assert at.button(key="policy_save").disabled
    assert at.button(key="policy_undo").disabled


def test_what_is_wrong_is_named_with_its_line(opened: Open, noon: Workbench) -> None:
    """E2-07, E2-20: an error and an unused key by line, missing keys as advice; nothing can be saved or tried."""
    at = typed(opened("order_policy"), "sla:\n  pick_minutes: soon\n  picks: 3\n")
    assert not at.exception
    assert "line 2: sla.pick_minutes is 'soon'; expected a number." in texts(at)
    assert any(">    2    pick_minutes: soon" in c.value for c in at.code)
    assert at.button(key="policy_save").disabled
    assert at.button(key="policy_try").disabled
    typed(at, "sla:\n  pick_minutes: 100\n  picks: 3\n")
    shown = texts(at)
    assert "line 3: unknown key 'sla.picks'; nothing uses it." in shown
    assert "pack_minutes" in shown
    assert not at.button(key="policy_save").disabled
    typed(at, "sla: [")
    assert any("to correct" in str(e.proto) for e in at.error)


def test_a_dry_run_tells_the_effect_and_keeps_nothing(opened: Open, noon: Workbench) -> None:
    """With 50 minutes the picking of ORD-DONE and ORD-SOON takes too long; ORD-FRAG is at its 50 x 1.2 exactly."""
    at = typed(opened("order_policy"), TIGHT)
    at.button(key="policy_try").click().run()
    assert not at.exception
    assert "2 exceptions appear, 0 vanish; no bill changes." in texts(at)
    at.session_state["policy_trial_open_appear"] = True
    at.run()
    (table,) = (d.value for d in at.dataframe if "what" in d.value.columns)
    assert set(table["order"]) == {"ORD-SOON", "ORD-DONE"}
    assert order_policies.current(noon, "default").version == 0
    typed(at, "sla:\n  pick_minutes: 51\n")
    assert "Run it again." in texts(at)


def test_a_tariff_shows_by_how_much_bills_change(opened: Open, noon: Workbench) -> None:
    """ORD-SLOW and ORD-DONE have a pick, a pack and a label: 70 each, 80 with 40 for a pick."""
    at = typed(opened("order_policy"), "tariffs:\n  pick_fee_cents: 40\n")
    at.button(key="policy_try").click().run()
    assert "2 bills change, +0.20 in total." in texts(at)
    at.session_state["policy_trial_open_bills"] = True
    at.run()
    (table,) = (d.value for d in at.dataframe if "change" in d.value.columns)
    assert table[["now", "then", "change"]].to_numpy().tolist() == [["0.70", "0.80", "+0.10"]] * 2


def test_saving_is_in_force_at_once_and_a_rollback_takes_it_back(opened: Open, noon: Workbench) -> None:
    at = typed(opened("order_policy"), "sla:\n  pick_minutes: 300\n")
    at.text_input(key="policy_note").set_value("Christmas help is new").run()
    at.button(key="policy_save").click().run()
    assert not at.exception
    assert "Saved: version 1 is in force from now on." in texts(at)
    assert metric(opened("orders"), "Overdue now") == ("0", "none over its promise")
    at = opened("order_policy", policy_tab="History")
    shown = texts(at)
    assert "Christmas help is new" in shown
    at.session_state["policy_changes_1"] = True
    at.run()
    assert any("+  pick_minutes: 300" in c.value for c in at.code)
    at.button(key="policy_back_0").click().run()
    assert "Rolled back to the shipped defaults: version 2 is in force" in texts(at)
    assert order_policies.current(noon, "default").policy.sla.pick_minutes == 120
    assert metric(opened("orders"), "Overdue now")[0] == "1"


def test_undo_brings_the_text_in_force_back(opened: Open, noon: Workbench) -> None:
    at = typed(opened("order_policy"), TIGHT)
    at.button(key="policy_undo").click().run()
    assert at.text_area(key="policy_text_1").value == order_policies.current(noon, "default").text


def test_a_viewer_reads_and_cannot_save(opened: Open, noon: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    order_policies.save(noon, ANA, TIGHT, "by ana")
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at = opened("order_policy")
    assert not at.exception
    assert at.text_area(key="policy_text_0").disabled
    assert "An administrator saves a policy." in texts(at)
    at = opened("order_policy", policy_tab="History")
    assert at.button(key="policy_back_0").disabled
