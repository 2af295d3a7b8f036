"""What orders are judged and billed by: the policy with its conditions, who is told when, and what may run by itself.

The words that loading, detecting, explaining and deciding share. Money is integer cents.
"""

from core.orders.conditions import Condition, parse_condition
from core.orders.policy import Operation, OrderPolicy, OrderRule, Period, Reason, ReasonRule, Sla, Tariffs, policy_doc
from core.orders.policy import policy_of as policy_of

__all__ = [
    "Condition",
    "Operation",
    "OrderPolicy",
    "OrderRule",
    "Period",
    "Reason",
    "ReasonRule",
    "Sla",
    "Tariffs",
    "parse_condition",
    "policy_doc",
    "policy_of",
]
