"""A webhook that carries actions out, signed the way of Standard Webhooks."""

from __future__ import annotations

import math

from pydantic import Field

from core.act.remedy import Remedy, Request, call, filled, outcome, remedies, values
from core.context import Context
from core.errors import ConfigError
from core.model import Action, JsonObject


@remedies.register("webhook", "Signed webhook")
class ActionWebhook(Remedy):
    """One signed POST. Its ``webhook-id`` is the action's id, so that the receiver can drop a repeat.

    Source: Standard Webhooks 1.0.0.
    """

    url: str = Field("", description="Address; {name} stands for that parameter of the action (not in the host)")

    def preview(self, action: Action, subject: str) -> Request:
        """The request without its signature. Raises: ConfigError, InputError."""
        if not self.url:
            raise ConfigError("The action webhook is not set up.", hint="Set ACTION_WEBHOOK_URL.", field="url")
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": action.action_id,
            "webhook-id": action.action_id,
        }
        return Request("POST", filled(self.url, values(action, subject)), headers, self.body(action, subject))

    def body(self, action: Action, subject: str) -> JsonObject:
        """What the receiver is told."""
        return {
            "type": f"action.{action.proposal.action_type}",
            "data": {
                "action_id": action.action_id,
                "incident_id": action.incident_id,
                "subject": subject,
                "title": action.proposal.title,
                "params": action.proposal.params,
            },
        }

    def execute(self, action: Action, subject: str, ctx: Context) -> JsonObject:
        """Signs and posts; any 2xx is success. Raises: ConfigError, InputError, ProviderError."""
        from standardwebhooks.webhooks import Webhook

        secret = ctx.settings.action_webhook_secret
        if secret is None:
            raise ConfigError("Actions are only posted signed.", hint="Set ACTION_WEBHOOK_SECRET.", field="secret")
        request, now = self.preview(action, subject), ctx.clock.now()
        signature = Webhook(secret.get_secret_value()).sign(action.action_id, now, request.data.decode())
        signed = {"webhook-timestamp": str(math.floor(now.timestamp())), "webhook-signature": signature}
        return outcome(call(request, signed, ctx), "The webhook")
