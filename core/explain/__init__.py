"""Explain: evidence, attribution, the rules' text, and a model's wording of it.

Importing the package registers its evidence providers.
"""

from core.explain import data_alerts as data_alerts
from core.explain import drift as drift
from core.explain import moves as moves
from core.explain import orders as orders
from core.explain import services as services
from core.explain import slices as slices
