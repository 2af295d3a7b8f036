"""E-mail through an SMTP server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

from core.errors import ProviderError

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """The :class:`core.ports.Mailer` of the workbench; one connection per message."""

    host: str
    port: int = 587
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = "starttls"
    timeout_s: float = 20.0

    def send(self, message: EmailMessage) -> str:
        """Hands the message to the server for every recipient; answers its Message-ID.

        Raises: ProviderError, retryable for 4xx replies and connection faults. When only some recipients were
        refused the others have it: the error names the refused and is not retryable.
        """
        try:
            refused = self._deliver(message)
        except smtplib.SMTPRecipientsRefused as exc:
            raise self._refused(exc.recipients, "Every recipient was refused") from None
        except smtplib.SMTPResponseException as exc:
            raise self._rejected(exc) from None
        except smtplib.SMTPNotSupportedError as exc:
            raise self._error(str(exc), retryable=False, reason="unsupported") from None
        except ssl.SSLCertVerificationError:
            raise self._error("has no certificate that can be trusted", retryable=False, reason="tls") from None
        except (smtplib.SMTPException, OSError):
            raise self._error("cannot be reached, or stopped answering", retryable=True, reason="connection") from None
        if refused:
            raise self._refused(refused, "The other recipients have it, but not", retryable=False)
        return str(message["Message-ID"])

    def _deliver(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        smtp = self._connect()
        try:
            if self.security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if self.user:
                smtp.login(self.user, self.password or "")
            return smtp.send_message(message)
        finally:
            with suppress(smtplib.SMTPException, OSError):  # an answer to QUIT changes nothing any more
                smtp.quit()
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        name = socket.gethostname()  # smtplib's default asks DNS for our own name
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=self.timeout_s, context=context)
        return smtplib.SMTP(self.host, self.port, name, timeout=self.timeout_s)

    def _rejected(self, reply: smtplib.SMTPResponseException) -> ProviderError:
        reason = "login" if isinstance(reply, smtplib.SMTPAuthenticationError) else "rejected"
        said = f"answered {reply.smtp_code} {_decoded(reply.smtp_error)}"
        return self._error(said, retryable=_is_temporary(reply.smtp_code), reason=reason)

    def _refused(
        self, recipients: dict[str, tuple[int, bytes]], what: str, retryable: bool | None = None
    ) -> ProviderError:
        names = "; ".join(f"{who} ({code} {_decoded(said)})" for who, (code, said) in sorted(recipients.items()))
        if retryable is None:
            retryable = all(_is_temporary(code) for code, _ in recipients.values())
        return ProviderError(self._clean(f"{what}: {names}."), retryable=retryable, reason="refused")

    def _error(self, said: str, *, retryable: bool, reason: str) -> ProviderError:
        text = self._clean(f"Mail server {self.host}:{self.port} {said}")
        return ProviderError(f"{text.rstrip('.')}.", retryable=retryable, reason=reason)

    def _clean(self, text: str) -> str:
        return text.replace(self.password, "[secret]") if self.password else text


def _is_temporary(code: int) -> bool:
    """Source: RFC 5321, 4.2.1. A connection that ended without a reply has code -1."""
    return code < 0 or 400 <= code < 500


def _decoded(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())[:300]
