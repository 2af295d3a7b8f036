"""Detect: series detectors, event detectors, and what they find.

Importing the package registers its event detectors.
"""

from core.detect import alerts as alerts
from core.detect import headcount as headcount
from core.detect import makeup as makeup
from core.detect import orders as orders
from core.detect import own_past as own_past
from core.detect import sentinel as sentinel
