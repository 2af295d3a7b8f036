"""The series detectors, one file each; importing this package makes all of them known."""

from core.detect.detector import SeriesDetector, detectors
from core.detect.detectors import band, change, change_abs, combined, level_shift, missing

__all__ = ["SeriesDetector", "band", "change", "change_abs", "combined", "detectors", "level_shift", "missing"]
