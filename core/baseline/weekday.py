"""Baseline from the same weekday (or the same hour of the week) of earlier weeks."""
