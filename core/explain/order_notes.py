"""What operations and clients are told of an exception, and what is recommended: one plain text for each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.model import Recommendation
from core.orders import Reason

MOST_OPS, MOST_CLIENT = 2000, 1000


@dataclass(frozen=True, slots=True)
class Notes:
    """The words for a label. ``client`` speaks of nothing inside the warehouse and of no person."""

    cause: str
    kind: str  # of the hypothesis
    client: str
    steps: tuple[tuple[str, str], ...]  # type of recommendation, text


_WAIT = "We are preparing your order and will tell you as soon as it ships."
_SHIP = "Your order leaves us later than planned. We will tell you as soon as it is on its way."
_ROADS = "Your delivery takes longer than planned. We are in touch with the carrier and keep you informed."

BY_REASON: Mapping[Reason, Notes] = {
    Reason.SYSTEM_ERROR: Notes(
        "a system reported an error for this order", "dependency", _WAIT,
        (("check_system", "Look at the log of the system that reported it and let it process the order again."),
         ("escalate", "Call the person on duty for the warehouse system.")),
    ),
    Reason.STOCK_MISMATCH: Notes(
        "fewer items are on the shelf than the order needs", "data", _WAIT,
        (("count_stock", "Count the shelf of the items concerned and correct the stock."),
         ("reallocate", "Take the missing items from another place, or split the order.")),
    ),
    Reason.ADDRESS_ERROR: Notes(
        "the delivery address cannot be used", "data",
        "We could not confirm the delivery address of your order. Please check it, so that we can send it.",
        (("verify_address", "Check the address with the address service."),
         ("ask_client", "Ask the client for the right address before the label is printed.")),
    ),
    Reason.CARRIER_ISSUE: Notes(
        "the carrier is late or could not deliver", "external", _ROADS,
        (("ask_carrier", "Ask the carrier where the parcel is and when it will arrive."),
         ("other_carrier", "Send what has not left yet by another carrier.")),
    ),
    Reason.PACK_DELAY: Notes(
        "packing did not keep up with the picked orders", "capacity",
        "Your order is taking longer to prepare than planned. We will tell you as soon as it ships.",
        (("pack_first", "Pack this order next."), ("add_people", "Move people from picking to packing.")),
    ),
    Reason.PICK_DELAY: Notes(
        "picking did not keep up with the paid orders", "capacity",
        "Your order is taking longer to prepare than planned. We will tell you as soon as it ships.",
        (("pick_first", "Pick this order next."), ("add_people", "Move people to picking.")),
    ),
    Reason.MISSING_SCAN: Notes(
        "the order was picked and its pack scan is missing", "data", _WAIT,
        (("find_order", "Look for the order between picking and packing, and scan it."),
         ("resend_scan", "Let the warehouse system send its scans again.")),
    ),
    Reason.OTHER: Notes(
        "the order needs a look", "unknown",
        "There is a question about your order. We are looking at it and will write to you.",
        (("look", "Look at the order's events."),),
    ),
}  # fmt: skip
BY_LABEL: Mapping[str, Notes] = {
    "SHIP_DELAY": Notes(
        "the packed order was not handed over to the carrier in time", "external", _SHIP,
        (("book_pickup", "Book the next pickup for this order."),
         ("ask_carrier", "Ask the carrier why it was not taken.")),
    ),
    "DELIVERY_DELAY": BY_REASON[Reason.CARRIER_ISSUE],
    "DAMAGED_PACKAGE": Notes(
        "the package was damaged on its way", "external",
        "Your package was reported as damaged. We are checking it and will come back to you with a solution.",
        (("inspect", "Ask for pictures of the damage and file a claim with the carrier."),
         ("replace", "Prepare a replacement.")),
    ),
    "CUSTOMER_UNAVAILABLE": Notes(
        "nobody was there to take the delivery", "external",
        "The carrier could not hand over your package. Please check when you can receive it or choose a pickup point.",
        (("reschedule", "Agree a new delivery time with the client."),
         ("ask_carrier", "Ask the carrier for the reason.")),
    ),
    "PAYMENT_FAILED": Notes(
        "the payment of the order failed", "external",
        "We could not confirm the payment of your order. Please check your payment method.",
        (("retry_payment", "Ask the payment service to try again."),
         ("hold", "Hold the order until the payment is confirmed.")),
    ),
}  # fmt: skip


def notes_for(reason: Reason, label: str) -> Notes:
    """The words for a label; those of its reason where the label has none."""
    return BY_LABEL.get(label, BY_REASON[reason])


def recommendations(notes: Sequence[Notes]) -> tuple[Recommendation, ...]:
    """What is recommended for some labels, each once."""
    return tuple(dict.fromkeys(Recommendation(kind, text) for n in notes for kind, text in n.steps))


MEANINGS: Mapping[str, str] = {kind: text for n in (*BY_REASON.values(), *BY_LABEL.values()) for kind, text in n.steps}
