"""Invoices beside what their orders cost: each with the receipt of its recomputed amount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.model import Json, JsonObject
from core.order_views import money
from core.service import order_billing
from core.service.order_billing import Billing
from core.service.order_desk import OrderDesk
from ui import auth, cards, data, links, order_data, words

PER_PAGE = 10
KIND: Mapping[str, tuple[words.Color, str]] = {
    "approval": ("orange", "needs approval"),
    "manual_review": ("red", "manual review"),
    "booked": ("blue", "credit booked"),
    "cannot be billed": ("red", "cannot be billed"),
    "late": ("orange", "overdue"),
    "right": ("green", "right"),
    "not invoiced": ("gray", "not invoiced"),
}


def cents(value: Json) -> str:
    """Cents of a document as money; nothing where there are none."""
    return money(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def signed(value: Json) -> str:
    """A difference as money with its sign."""
    return f"+{cents(value)}" if isinstance(value, int) and value > 0 else cents(value)


def figures(of: OrderDesk) -> None:
    """How many invoices are right, what is to be credited or charged, and what waits for a person."""
    ledger = order_data.billing(of)
    invoiced = [r for r in ledger.invoices if r.get("invoice_id") is not None]
    right = sum(handling(r) == "right" for r in invoiced)
    deltas = [d for r in invoiced if isinstance(d := r.get("delta_cents"), int)]
    credits, charges = [d for d in deltas if d < 0], [d for d in deltas if d > 0]
    months = order_data.rows(ledger.totals.get("months"))
    with st.grid(columns="auto", min_column_width=168, gap="small"):
        st.metric(
            "Right", f"{right:,} of {len(invoiced):,}", border=True, delta_arrow="off", delta_color="gray",
            delta=f"{100 * right / len(invoiced):.1f} %" if invoiced else "no invoice yet",
        )  # fmt: skip
        st.metric(
            "To credit", money(-sum(credits)), border=True, delta=f"{len(credits):,} {_invoices(credits)} too high",
            delta_arrow="off", delta_color="orange" if credits else "gray",
        )  # fmt: skip
        st.metric(
            "To charge", money(sum(charges)), border=True, delta=f"{len(charges):,} {_invoices(charges)} too low",
            delta_arrow="off", delta_color="orange" if charges else "gray",
        )  # fmt: skip
        bad = sum(handling(r) == "cannot be billed" for r in ledger.invoices)
        st.metric(
            "Cannot be billed", f"{bad:,}", border=True, delta="see why below" if bad else "every order can be",
            delta_arrow="off", delta_color="red" if bad else "gray",
        )  # fmt: skip
        if months:
            last = months[-1]
            st.metric(
                f"Month {last['month']}", cents(last["total_cents"]), border=True, delta_arrow="off",
                delta=f"{last['orders']:,} orders", delta_color="gray",
            )  # fmt: skip


def _invoices(found: Sequence[int]) -> str:
    return "invoice" if len(found) == 1 else "invoices"


def show(of: OrderDesk) -> None:
    """The invoices that the filters leave, wrong ones first, one page of them, and all of these as CSV."""
    ledger = order_data.billing(of)
    if not ledger.invoices:
        st.info("No order can be billed yet. Take events and invoices in under Orders.", icon=":material/receipt_long:")
        st.page_link(links.page("orders"), label="Go to Orders", icon=":material/local_shipping:")
        return
    with st.container(border=True):
        found = _filtered(ledger)
        if not found:
            st.info("No invoice matches. Clear a filter to see more.", icon=":material/filter_alt_off:")
            return
        pages = -(-len(found) // PER_PAGE)
        slot = st.container(gap="small")
        page = st.pagination(pages, key=f"billing_page_{pages}") if pages > 1 else 1
        with slot:
            for row in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
                _row(row)
        st.caption(f"{len(found):,} of {len(ledger.invoices):,}. Amounts are whole cents, floored at each step.")


def _filtered(ledger: Billing) -> Sequence[JsonObject]:
    here = [k for k in KIND if any(_is(r, k) for r in ledger.invoices)]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = st.text_input(
            "Search", key="billing_text", placeholder="Invoice or order", icon=":material/search:", width=240,
            bind="query-params",
        )  # fmt: skip
        kinds = st.pills(
            "What becomes of it", here, selection_mode="multi", key="billing_kind", bind="query-params",
            format_func=lambda k: KIND[k][1].capitalize(),
        )  # fmt: skip
        wanted = (text or "").casefold().strip()
        found = [
            r
            for r in ledger.invoices
            if wanted in f"{r.get('invoice_id') or ''}\n{r['order_id']}".casefold()
            and (not kinds or any(_is(r, k) for k in kinds))
        ]
        st.download_button(
            "CSV", lambda: order_billing.export(data.bench(), auth.current(), ledger.at), mime="text/csv",
            file_name=f"invoices-{ledger.at:%Y-%m-%d}.csv", icon=":material/download:", key="billing_csv",
            on_click="ignore", help="Every invoice in whole cents; no cell runs as a formula.",
        )  # fmt: skip
    return found


def handling(row: JsonObject) -> str:
    """What becomes of an invoice: a name of ``KIND``."""
    if row.get("error"):
        return "cannot be billed"
    if row.get("invoice_id") is None:
        return "not invoiced"
    found = row.get("adjustment")
    return str(found["handling"]) if isinstance(found, Mapping) else "right"


def _is(row: JsonObject, kind: str) -> bool:
    return bool(row.get("late")) if kind == "late" else handling(row) == kind


def _row(row: JsonObject) -> None:
    color, told = KIND[handling(row)]
    name = str(row.get("invoice_id") or row["order_id"])
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.markdown(f"**{cards.safe(name)}**", width="content")
                if row.get("delta_cents"):
                    st.badge(signed(row["delta_cents"]), color="gray")
                st.badge(told, color=color)
                if row.get("late"):
                    st.badge("overdue", color="orange")
            st.caption(_amounts(row))
        with st.popover("Receipt", type="tertiary", key=f"billing_receipt_{name}_{row['order_id']}"):
            receipt(row)


def _amounts(row: JsonObject) -> str:
    invoiced, recomputed = cents(row.get("invoiced_cents")), cents(row.get("recomputed_cents"))
    parts = [f"invoiced {invoiced}" if invoiced else "", f"recomputed {recomputed}" if recomputed else ""]
    return cards.safe(" · ".join([p for p in parts if p] + [str(row["order_id"]), str(row.get("month") or "")]))


def receipt(row: JsonObject) -> None:
    """Every step from the fees to the amount, what was invoiced, and what becomes of the difference."""
    error = row.get("error")
    if isinstance(error, Mapping):
        st.warning(f"{cards.safe(str(error['message']))}", title=str(error["code"]), icon=":material/block:")
    steps = order_data.rows(row.get("steps"))
    if steps:
        st.table(
            {"step": [_step(str(s["text"])) for s in steps], "amount": [cents(s["cents"]) for s in steps]},
            border="horizontal", hide_index=True, alt=f"Receipt of {row['order_id']}",
        )  # fmt: skip
    if row.get("invoiced_cents") is not None:
        told = f"Invoiced **{cents(row['invoiced_cents'])}**"
        if row.get("delta_cents") is not None:
            told += (
                f", recomputed **{cents(row['recomputed_cents'])}**: difference **{signed(row['delta_cents']) or 0}**"
            )
        st.markdown(told)
    adjustment, late = row.get("adjustment"), row.get("late")
    if isinstance(adjustment, Mapping):
        st.caption(cards.safe(rationale(str(adjustment["rationale"]))))
    if isinstance(late, Mapping):
        st.caption(
            f"{late['days_overdue']} days overdue: fee {cents(late['fee_cents'])} + interest "
            f"{cents(late['interest_cents'])}"
        )


def _step(text: str) -> str:
    """A step of a receipt; a discount's minus would else begin a list."""
    return cards.safe(f"{words.MINUS} {text[2:]}" if text.startswith("- ") else text)


def rationale(text: str) -> str:
    """Why an adjustment is handled so, with the unit of its amounts; these themselves stand beside it."""
    why = text.partition(": ")[2] or text
    return f"{why[:1].upper()}{why[1:]} (cents)."


def months(of: OrderDesk) -> None:
    """What each month's bills come to, with the monthly minimum."""
    found = order_data.rows(order_data.billing(of).totals.get("months"))
    if not found:
        st.info("No month has a bill yet.", icon=":material/calendar_month:")
        return
    with st.container(border=True):
        st.header("Month totals")
        st.table(
            {
                "month": [str(m["month"]) for m in found],
                "orders": [f"{m['orders']:,}" for m in found],
                "bills": [cents(m["bills_cents"]) for m in found],
                "minimum adds": [_more(m) for m in found],
                "total": [cents(m["total_cents"]) for m in found],
            },
            border="horizontal", hide_index=True, alt="Month totals",
        )  # fmt: skip
        tariffs = of.board.policy.tariffs
        st.caption(
            f"At least {money(tariffs.min_monthly_fee_cents)} a month. Volume discounts are in the bills: "
            f"{_share(tariffs.volume_tier_1_discount)} from {tariffs.volume_tier_1_orders:,} orders a month, "
            f"{_share(tariffs.volume_tier_2_discount)} from {tariffs.volume_tier_2_orders:,}, "
            f"{_share(tariffs.volume_tier_3_discount)} from {tariffs.volume_tier_3_orders:,}."
        )


def _more(month: JsonObject) -> str:
    total, bills = month["total_cents"], month["bills_cents"]
    assert isinstance(total, int)
    assert isinstance(bills, int)
    return money(total - bills) if total > bills else ""


def _share(value: object) -> str:
    return f"{value:.0%}"
