"""A real SMTP server on loopback for tests."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Post:
    """What the server saw; ``replies`` are given to DATA one after the other, then 250."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    logins: list[LoginPassword] = field(default_factory=list)
    password: bytes | None = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self.replies.pop(0) if self.replies else "250 ok"
        if reply.startswith("250"):
            assert envelope.original_content is not None
            self.mails.append(envelope.original_content)
        return reply

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, auth: LoginPassword) -> AuthResult:
        self.logins.append(auth)
        if auth.password == self.password:
            return AuthResult(success=True)
        message = f"535 5.7.8 wrong password {auth.password.decode()}"  # a server that repeats what it was told
        return AuthResult(success=False, handled=False, message=message)


class FreePort(Controller):
    """A controller that listens on a port the system picks."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Post]:
    """A mail server; with ``tls`` it offers STARTTLS."""
    post = Post()
    controller = FreePort(
        post,
        hostname="127.0.0.1",
        port=0,
        authenticator=post.login,
        auth_require_tls=False,
        decode_data=False,
        server_hostname="mail.test",
        tls_context=tls,
    )
    controller.start()
    post.port = controller.port
    try:
        yield post
    finally:
        controller.stop()
