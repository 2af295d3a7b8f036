"""Decide: policy tables, lifecycles, approvals, bills; pure functions.

Importing the package registers its assessments.
"""

from core.decide import order_invoices as order_invoices
