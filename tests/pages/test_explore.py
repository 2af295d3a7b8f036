"""Explore: figures that an independent calculation gives too, and what every control changes."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import access
from core.model import MetricKind
from core.service import sources
from core.service.workbench import Workbench

Open = Callable[..., AppTest]
Save = Callable[[str, bytes], str]


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    """120 days of orders by region and channel; West falls to less than half on the last day."""
    rng = np.random.default_rng(5)
    days = pd.date_range("2026-01-01", periods=120).strftime("%Y-%m-%d")
    rows = [
        (
            day,
            region,
            channel,
            round(size * (0.45 if region == "West" and day == days[-1] else 1) * rng.normal(1, 0.03)),
        )
        for day in days
        for region, size in {"North": 400, "South": 300, "West": 500}.items()
        for channel in ("web", "store")
    ]
    return pd.DataFrame(rows, columns=["day", "region", "channel", "orders"])


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def texts(at: AppTest) -> str:
    return "\n".join(e.value for e in (*at.header, *at.caption, *at.markdown, *at.info))


def table(at: AppTest, column: str) -> pd.DataFrame:
    return next(d.value for d in at.dataframe if column in d.value.columns)


def test_the_demo_day_says_what_changed(opened: Open) -> None:
    """OP-09: refunds 17,500 against the mean 5,578.57 of the seven days before."""
    at = opened("explore", metric="refunds")
    assert not at.exception
    assert at.header[0].value == "Refunds is 213.7 % above its 7-day mean on 13 Dec"
    rows = table(at, "vs baseline")
    assert rows.iloc[0]["metric"] == "Failed deploys"
    refunds = rows[rows["metric"] == "Refunds"].iloc[0]
    assert (refunds["value"], refunds["previous"], refunds["baseline"]) == ("17,500", "5,800", "5,579")
    assert refunds["vs baseline"] == pytest.approx(213.70, abs=0.005)
    assert (rows["state"] == "alarm").sum() == 8
    assert rows["state"].tolist()[:8] == ["alarm"] * 8
    assert "Deploys 20" in texts(at)


def test_the_receipt_lists_the_days_used_and_not_the_judged_one(opened: Open) -> None:
    at = opened("explore", metric="refunds")
    label = next(e.label for e in at.expander if "receipt" in e.label)
    assert label == "Baseline receipt: 7 days used, 2025-12-13 excluded"
    assert ", ".join(f"2025-12-{d:02d}" for d in range(6, 13)) in texts(at)


def test_another_baseline_and_its_parameters_change_the_expectation(opened: Open) -> None:
    at = opened("explore", metric="refunds")
    at.segmented_control(key="explore_method_daily_kpis").set_value("previous").run()
    assert at.header[0].value == "Refunds is 201.7 % above its value the day before on 13 Dec"
    at.segmented_control(key="explore_method_daily_kpis").set_value("trailing_mean").run()
    at.number_input(key="explore_trailing_mean_window").set_value(3).run()
    frame = pd.read_csv("data/daily_kpis/revenue.csv")["refunds"]
    mean = frame.iloc[-4:-1].mean()
    assert at.header[0].value == f"Refunds is {(frame.iloc[-1] / mean - 1) * 100:.1f} % above its 3-day mean on 13 Dec"


def test_an_earlier_period_is_judged_by_what_was_known_then(opened: Open) -> None:
    at = opened("explore", metric="refunds", explore_at="2025-12-10")
    assert at.header[0].value.endswith("on 10 Dec")
    assert at.header[2].value == "All metrics on 10 Dec"


def test_contributions_add_up_and_the_dropping_region_is_itself_an_alarm(
    opened: Open, saved: Save, sales: pd.DataFrame
) -> None:
    name = saved("Sales", csv(sales))
    at = opened("explore", source=name)
    at.segmented_control(key=f"explore_dimension_{name}").set_value("region").run()
    at.segmented_control(key="explore_against").set_value("previous").run()
    assert not at.exception
    days = sales.groupby(["day", "region"])["orders"].sum().unstack()
    change = days.iloc[-1] - days.iloc[-2]
    rows = table(at, "of the total")
    assert rows["region"].tolist() == change.abs().sort_values(ascending=False).index.tolist()
    west = rows.iloc[0]
    assert (west["region"], west["state"], west["change"]) == ("West", "alarm", f"−{-change['West']:,.0f}")
    assert west["of the total"] == pytest.approx(change["West"] / change.sum() * 100)
    assert f"residual 0 = total −{-change.sum():,.0f}" in texts(at)
    assert "The sum is exact." in texts(at)
    assert "1 of 3 parts are themselves outside their limits." in texts(at)


def test_a_ratio_is_divided_into_rate_and_mix(opened: Open, saved: Save, bench: Workbench, sales: pd.DataFrame) -> None:
    """The total rate falls although no region's own rate does: the weight moved to the region with the low rate."""
    visits = sales.assign(visits=sales["orders"] * sales["region"].map({"North": 10, "South": 20, "West": 5}))
    name = saved("Funnel", csv(visits))
    old = sources.get(bench, bench.tenant, name)
    orders = next(m for m in old.metrics if m.name == "orders")
    ratio = orders.model_copy(update={"over": "visits", "kind": MetricKind.RATIO, "agg": "sum"})
    kept = sources.save(bench, access.local(bench.tenant), old.model_copy(update={"metrics": (ratio,)}))
    at = opened("explore", source=kept.name)
    at.segmented_control(key=f"explore_dimension_{name}").set_value("region").run()
    assert "divided into rate and mix" in texts(at)
    at.segmented_control(key="explore_against").set_value("previous").run()
    assert not at.exception
    days = visits.groupby("day")[["orders", "visits"]].sum()
    rate = days["orders"] / days["visits"]
    change = f"{(rate.iloc[-1] - rate.iloc[-2]) * 100:+.2f} pp".replace("-", "−")
    assert f"mix {change} = change {change}" in texts(at)
    assert set(table(at, "mix effect")["rate effect"]) == {"+0.00 pp"}


def test_a_range_by_keyboard_ranks_metrics_and_parts(opened: Open, saved: Save, sales: pd.DataFrame) -> None:
    at = opened("explore", source=saved("Sales", csv(sales)))
    last = pd.Timestamp("2026-04-30").date()
    at.date_input(key="explore_from").set_value(last)
    at.date_input(key="explore_to").set_value(last).run()
    rows = table(at, "strength")
    days = sales.groupby(["day", "region"])["orders"].sum().unstack()["West"]
    assert rows.iloc[0]["where"] == "region = West"
    assert rows.iloc[0]["change %"] == pytest.approx((days.iloc[-1] / days.iloc[-2] - 1) * 100)
    at.button(key="explore_clear").click().run()
    assert at.session_state["explore_from"] is None
    assert not any("strength" in d.value.columns for d in at.dataframe)


def test_a_range_the_wrong_way_round_is_told(opened: Open) -> None:
    at = opened("explore")
    at.date_input(key="explore_from").set_value(pd.Timestamp("2025-12-10").date())
    at.date_input(key="explore_to").set_value(pd.Timestamp("2025-12-05").date()).run()
    assert [w.value for w in at.warning] == ["The range ends before it starts."]


def test_a_past_alarm_is_judged_with_one_click(opened: Open, saved: Save) -> None:
    values = [100.0 + k % 7 for k in range(60)]
    values[40] = 400.0
    frame = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=60).strftime("%Y-%m-%d"), "visits": values})
    at = opened("explore", source=saved("Visits", csv(frame)))
    past = next(b for b in at.button if b.label == "2026-02-10")
    past.click().run()
    assert at.selectbox(key="explore_at").value == "2026-02-10"
    assert at.header[0].value.endswith("on 10 Feb")


def test_a_short_history_says_what_it_lacks(opened: Open, saved: Save) -> None:
    at = opened("explore", source=saved("Short", b"day,visits\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n"))
    assert not at.exception
    assert at.header[0].value == "Visits is 7 on 3 Jan, without a baseline yet (needs 14 earlier points, has 2)"


def test_unknown_links_fall_back(opened: Open) -> None:
    at = opened("explore", metric="nonsense", explore_at="1999-01-01")
    assert not at.exception
    assert at.selectbox(key="explore_metric").value == "gross"


def test_the_download_holds_what_is_shown(opened: Open) -> None:
    from ui.explore import write_csv

    at = opened("explore", metric="refunds")
    assert {b.label for b in at.get("download_button")} == {"Shown data as CSV", "These rows as CSV"}
    import pyarrow as pa

    rows = pd.read_csv(io.BytesIO(write_csv(pa.table({"metric": ["=1+1"], "value": [2.0]}))))
    assert rows["metric"].tolist() == ["'=1+1"]
