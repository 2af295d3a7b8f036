"""The registry of baseline methods; importing it makes every method known."""

from __future__ import annotations

from core.baseline import recent, robust_seasonal, weekday  # noqa: F401  (registered by import)
from core.baseline.method import BaselineMethod, baselines

__all__ = ["BaselineMethod", "baselines"]
