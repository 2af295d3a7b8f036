from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from pathlib import Path

import pytest

from core.adapters.smtp import SmtpMailer
from core.errors import ProviderError
from tests.adapters import mail_server
from tests.adapters.mail_server import Post

PASSWORD = "canary-pass-91"


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server.running() as post:
        yield post


def mailer(post: Post, **changes: object) -> SmtpMailer:
    settings: dict[str, object] = {"host": "127.0.0.1", "port": post.port, "security": "none", "timeout_s": 5}
    return SmtpMailer(**{**settings, **changes})  # type: ignore[arg-type]


def mail(to: str = "ops@example.com") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"], message["From"], message["To"] = "Red", "telltale@example.com", to
    message["Message-ID"] = "<42@example.com>"
    message.set_content("Refunds tripled, é\n.\n")
    return message


def failure(mailer: SmtpMailer, message: EmailMessage | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        mailer.send(message or mail())
    return caught.value


def test_the_mail_arrives_byte_for_byte(post: Post) -> None:
    assert mailer(post).send(mail()) == "<42@example.com>"
    assert post.mails == [mail().as_bytes()]


@pytest.mark.parametrize(("reply", "retryable"), [("451 4.7.1 come back later", True), ("554 5.7.1 spam", False)])
def test_a_refused_mail_says_what_the_server_said(post: Post, reply: str, retryable: bool) -> None:
    post.replies = [reply]
    error = failure(mailer(post))
    assert (error.retryable, error.reason) == (retryable, "rejected")
    assert reply in error.message
    assert mailer(post).send(mail())


@pytest.mark.parametrize(("reply", "retryable"), [("550 no such user", False), ("450 mailbox busy", True)])
def test_refused_recipients_are_named(post: Post, reply: str, retryable: bool) -> None:
    post.refuse = {"gone@example.com": reply}
    error = failure(mailer(post), mail("gone@example.com"))
    assert (error.retryable, error.reason) == (retryable, "refused")
    assert f"gone@example.com ({reply})" in error.message


def test_a_mail_that_some_got_is_not_sent_to_them_again(post: Post) -> None:
    post.refuse = {"gone@example.com": "450 mailbox busy"}
    error = failure(mailer(post), mail("ops@example.com, gone@example.com"))
    assert not error.retryable
    assert "gone@example.com" in error.message
    assert len(post.mails) == 1


def test_login(post: Post) -> None:
    post.password = PASSWORD.encode()
    mailer(post, user="ana", password=PASSWORD).send(mail())
    assert [login.login for login in post.logins] == [b"ana"]


def test_a_wrong_password_is_permanent_and_not_shown_op21(post: Post) -> None:
    wrong = mailer(post, user="ana", password=PASSWORD)
    error = failure(wrong)
    assert (error.retryable, error.reason) == (False, "login")
    assert PASSWORD not in f"{error} {error.__cause__} {wrong}"
    assert "535" in error.message


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    error = failure(SmtpMailer("127.0.0.1", port, security="none", timeout_s=2))
    assert (error.retryable, error.reason) == (True, "connection")
    assert f"127.0.0.1:{port}" in error.message


def test_a_silent_server_is_left() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        error = failure(SmtpMailer("127.0.0.1", silent.getsockname()[1], security="none", timeout_s=0.2))
    assert (error.retryable, error.reason) == (True, "connection")


def test_no_mail_leaves_in_the_clear_when_tls_is_wanted(post: Post) -> None:
    error = failure(mailer(post, security="starttls"))
    assert (error.retryable, error.reason) == (False, "unsupported")
    assert post.mails == []


def test_starttls_wants_a_certificate_it_can_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with mail_server.running(tls) as post:
        error = failure(mailer(post, security="starttls"))
        assert (error.retryable, error.reason) == (False, "tls")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        mailer(post, security="starttls").send(mail())
    assert post.mails == [mail().as_bytes()]


def _certificate(folder: Path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1 in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "server.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path
