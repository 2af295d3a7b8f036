"""The series detectors, one file each; importing this package makes all of them known."""

from core.detect.detector import SeriesDetector, detectors
from core.detect.detectors import change, change_abs

__all__ = ["SeriesDetector", "change", "change_abs", "detectors"]
