"""Pressed buttons of Slack messages, and questions asked by a slash command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import anyio
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.access import Principal
from core.act import slack_requests
from core.act.slack_requests import Click
from core.decide.proposals import IllegalMove
from core.errors import Forbidden, WorkbenchError
from core.model import Action, ActionState
from core.service import answers, execution, people, questions
from core.service.workbench import Workbench
from server.errors import Unauthorized, answer
from server.requests import caller
from server.security import GuardedRoute, Identify, Signed

KEPT = timedelta(seconds=2 * slack_requests.WINDOW_S)
log = logging.getLogger("telltale")


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """The one address that Slack's interactivity points to."""

    def verify(request: Request, body: bytes) -> Principal:
        return pressed_by(wb(), request, body)

    async def pressed(request: Request) -> Response:
        """A pressed Approve or Reject button is decided at once and carried out afterwards; a slash command that asks
        about incidents is answered from those that are stored."""
        if (asked := slack_requests.question(await request.body())) is not None:
            text = await anyio.to_thread.run_sync(questions.answer, wb(), caller(request), asked.text)
            return JSONResponse({"response_type": "ephemeral", "text": text})
        click = slack_requests.click(await request.body())
        if not click.value:  # a button that is only a link
            return Response()
        told = slack_requests.answer(click.value)
        who = caller(request)
        try:
            await anyio.to_thread.run_sync(answers.give, wb(), who, told)
        except IllegalMove as error:  # decided before: the message should say so
            reply: Response = answer(request, error)
        else:
            reply = Response()
        reply.background = BackgroundTask(_follow_up, wb(), who.tenant, told.action_id, click)
        return reply

    address = "/webhook/integrations/slack"
    return [GuardedRoute(address, pressed, rule=Signed(verify), identify=identify, methods=["POST"])]


def pressed_by(wb: Workbench, request: Request, body: bytes) -> Principal:
    """The person whom an administrator mapped to the Slack user of a genuine, first-time request.

    Raises: Unauthorized for a request that is not Slack's, is too old, or was taken before; InputError for one that
    is neither a pressed button nor a slash command; Forbidden for a Slack user nobody knows.
    """
    settings, now = wb.ctx.settings, wb.ctx.clock.now()
    if settings.telltale_production or not settings.slack_unsigned:
        why = slack_requests.refusal(body, request.headers, settings.slack_signing_secret, now)
        if why:
            raise Unauthorized(f"This request is not taken for Slack's: {why}.")
    sent = slack_requests.question(body) or slack_requests.click(body)
    with wb.store.begin() as books:
        if not books.replays.first_use(f"slack:{sent.key}", now, KEPT):
            raise Unauthorized("This request was taken before.")
    who = people.by_slack(wb, sent.user_id)
    if who is None:
        raise Forbidden("This Slack user is nobody here.", hint="An administrator maps them on the page of users.")
    return who


def _follow_up(wb: Workbench, tenant: str, action_id: str, click: Click) -> None:
    """After the answer has gone out. Whatever fails here, the background's next tick does."""
    try:
        answers.revise(wb, tenant, action_id, click.reference)
        if _stands(wb, tenant, action_id).state is ActionState.APPROVED:
            execution.execute(wb, tenant, action_id)
            answers.revise(wb, tenant, action_id, click.reference)
    except IllegalMove:
        return  # another process carries it out
    except WorkbenchError:
        log.exception("the follow-up of a Slack answer failed; the next tick goes on")


def _stands(wb: Workbench, tenant: str, action_id: str) -> Action:
    with wb.store.read() as books:
        return books.actions.get(tenant, action_id)
