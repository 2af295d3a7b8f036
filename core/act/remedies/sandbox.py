"""A made-up target for demos: the stored action is the record of the call, and the demo's signal recovers with it."""

from __future__ import annotations

from core.act.remedy import Remedy, Request, remedies
from core.context import Context
from core.model import Action, JsonObject


@remedies.register("sandbox", "Sandbox (demo)")
class Sandbox(Remedy):
    """Nothing outside is called. ``core.service.actions.healed`` tells the demo what was carried out here."""

    def preview(self, action: Action, subject: str) -> Request:
        """The request that a real target would get."""
        body: JsonObject = {
            "action_id": action.action_id,
            "incident_id": action.incident_id,
            "subject": subject,
            "action_type": action.proposal.action_type,
            "params": action.proposal.params,
        }
        return Request("POST", "sandbox://demo/actions", {"Idempotency-Key": action.action_id}, body)

    def execute(self, action: Action, subject: str, ctx: Context) -> JsonObject:
        """Records the call, labelled as what it is."""
        at = ctx.clock.now().isoformat()
        return {"sandbox": True, "answer": f"Sandbox target for {subject}: {action.proposal.title} at {at}.", "at": at}
