"""Check: Great Expectations suites, and checks of single rows and documents.

Importing the package registers its dataset checks.
"""

from core.check import alerts as alerts
from core.check import orders as orders
from core.check import services as services
from core.check import snapshots as snapshots
