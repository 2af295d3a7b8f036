"""Kept for callers of the old place; the function lives above the stages because it needs two of them."""

from core.scoring import score_frame

__all__ = ["score_frame"]
