"""E-mail: text and HTML side by side, with the run's report attached."""

from __future__ import annotations

import email.policy
import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from core.act.channel import Channel, channels
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.errors import ConfigError
from core.model import Delivery, JsonObject, Light, Notification

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent.parent / "templates"
COLOURS = {Light.GREEN: "#1a7f4b", Light.YELLOW: "#9a6700", Light.RED: "#c62828"}  # white text on each: contrast > 4.5
_POLICY = email.policy.SMTP.clone(max_line_length=998)  # shorter lines would fold long ids into unusable encoded words
_MOST_LINES = 15
_MOST_FACTS = 15
_LONGEST_FACT = 150
_LONGEST_LINE = 300
_LONGEST_SUMMARY = 4000


@channels.register("email", "E-mail")
class EmailChannel(Channel):
    """One mail to all recipients. Messages of one incident form a thread."""

    sender: str = Field(description="Sender address")
    recipients: tuple[str, ...] = Field(min_length=1, description="Recipient addresses")

    @field_validator("sender", "recipients")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (value,) if isinstance(value, str) else value:
            _address(address)
        return value

    @property
    def recipient(self) -> str:
        """All recipients."""
        return ", ".join(self.recipients)

    def compose(self, message: Message) -> Notification:
        """Subject, text and HTML; long lists and texts are cut so that the HTML stays under 100 kB."""
        shown = _shown(message)
        payload: dict[str, str | JsonObject] = {"from": self.sender, "html": _template("email.html.j2").render(shown)}
        if message.report is not None:
            name = one_line(message.report_name)
            payload["attachment"] = {"name": name, "text": message.report.decode("utf-8")}
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=clip(one_line(message.subject), 200),
            text=_template("email.txt.j2").render(shown),
            payload=payload,
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:
        """The mail with all its headers; id and date come from the delivery, so a repeat is the same mail."""
        return self.mail(notification, delivery).as_bytes()

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Hands the mail to the mailer; answers its Message-ID. Raises: ConfigError, ProviderError."""
        if ctx.mailer is None:
            raise ConfigError("E-mail is off.", hint="Set SMTP_HOST and SMTP_TO.", field="SMTP_HOST")
        return ctx.mailer.send(self.mail(notification, delivery))

    def mail(self, notification: Notification, delivery: Delivery) -> EmailMessage:
        """The notification as a mail object."""
        sender = str(notification.payload["from"])
        domain = _address(sender).domain
        mail = EmailMessage(policy=_POLICY)
        mail["Subject"] = notification.subject
        mail["From"], mail["To"] = sender, notification.recipient
        mail["Date"] = format_datetime(delivery.created_at)
        mail["Message-ID"] = f"<{delivery.id}@{domain}>"
        if notification.incident_id:
            thread = f"<{notification.incident_id}@{domain}>"  # no mail has this id; clients gather its replies
            mail["In-Reply-To"] = mail["References"] = thread
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(notification.text, cte="quoted-printable")
        mail.add_alternative(str(notification.payload["html"]), subtype="html", cte="quoted-printable")
        _attach(mail, notification.payload.get("attachment"))
        _fix_boundaries(mail, notification.dedup_key)
        return mail


def _attach(mail: EmailMessage, attachment: object) -> None:
    if isinstance(attachment, dict):
        data = str(attachment["text"]).encode()
        mail.add_attachment(data, maintype="application", subtype="json", filename=str(attachment["name"]))


def _fix_boundaries(mail: EmailMessage, seed: str) -> None:
    """Random boundaries would make each attempt another mail."""
    for number, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary("=_" + hashlib.sha256(f"{number}:{seed}".encode()).hexdigest()[:40])


def _address(text: str) -> Address:
    """The address in ``text``, with or without a name before it."""
    parsed = EmailMessage(policy=_POLICY)
    try:
        parsed["To"] = text
        (address,) = parsed["To"].addresses
    except (ValueError, IndexError):
        raise ValueError(f"'{one_line(text)}' is not one e-mail address") from None
    if parsed["To"].defects or not address.username or not address.domain or not address.addr_spec.isascii():
        raise ValueError(f"'{one_line(text)}' is not an e-mail address such as ops@example.com")
    found: Address = address
    return found


def _shown(message: Message) -> dict[str, object]:
    return {
        "mark": message.mark,
        "headline": clip(message.headline, _LONGEST_LINE),
        "colour": COLOURS[message.light],
        "title": clip(one_line(message.title), _LONGEST_LINE),
        "summary": clip(plain(message.summary), _LONGEST_SUMMARY),
        "facts": _facts(message.facts),
        "drivers": _lines(message.drivers),
        "actions": _lines(message.actions),
        "confidence": f"{message.confidence:.0%}",
        "link": message.web_link,
        "playbook": one_line(message.playbook),
        "as_of": one_line(message.as_of),
        "incident_id": message.incident_id or "",
        "report_name": one_line(message.report_name) if message.report is not None else "",
    }


def _lines(lines: tuple[str, ...]) -> list[str]:
    shown = [clip(one_line(line), _LONGEST_LINE) for line in lines[:_MOST_LINES]]
    more = len(lines) - len(shown)
    return [*shown, f"and {more} more"] if more else shown


def _facts(facts: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    shown = [(clip(one_line(label), 60), clip(one_line(value), _LONGEST_FACT)) for label, value in facts[:_MOST_FACTS]]
    more = len(facts) - len(shown)
    return [*shown, ("More", f"{more} more")] if more else shown


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    ).get_template(name)
