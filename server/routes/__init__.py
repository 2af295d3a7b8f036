"""The HTTP addresses beside the pages."""

from __future__ import annotations

from collections.abc import Callable

from core.service.workbench import Workbench
from server.limits import Limits
from server.routes import actions, alerts, health, incidents, orders, segments, slack
from server.security import GuardedRoute, Identify


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """Every address with its access rule, and the page that lists them."""
    listed = health.routes(lambda: wb().store.ping(), identify)
    listed += incidents.routes(wb, identify) + actions.routes(wb, identify) + slack.routes(wb, identify)
    listed += alerts.routes(wb, identify)
    listed += segments.routes(wb, identify) + orders.routes(wb, identify)
    listed.append(GuardedRoute("/docs", health.contents(listed), rule="public", identify=identify))
    limits = Limits(lambda: wb().ctx.settings.telltale_requests_per_minute)
    for route in listed:
        route.guard.limits = route.guard.limits or limits
    return listed
