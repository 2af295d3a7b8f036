"""Reading the runbook: an action without any effect."""

from __future__ import annotations

from core.act.remedy import Remedy, Request, remedies
from core.context import Context
from core.model import Action, JsonObject


@remedies.register("documentation", "Documentation")
class Documentation(Remedy):
    """A link for people; nothing is called."""

    def preview(self, action: Action, subject: str) -> Request:  # noqa: ARG002 (a link is a link)
        """The link, as something to read."""
        return Request("GET", str(action.proposal.params.get("url") or ""), {}, {})

    def execute(self, action: Action, subject: str, ctx: Context) -> JsonObject:  # noqa: ARG002 (nothing is called)
        """Says that it was read."""
        return {"answer": "Documentation; nothing was called."}
