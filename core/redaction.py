"""What must never leave the process: secrets, and personal data in text that goes to a prompt or a log."""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

from core.model import Json

SECRET = "[secret]"  # noqa: S105 (the mark, not a secret)
SHORTEST_SECRET = 4  # replacing a shorter value would eat ordinary words and digits

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_SSN_NAMED = re.compile(r"(?i)\b(ssn\W{0,3})\d{3}[ -]?\d{2}[ -]?\d{4}(?!\d)")
_CARD = re.compile(
    r"(?<![\w.,+-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-]|[.,]\d)"
)
_CARD_BRAND = re.compile(r"4|5[0-8]|2[2-7]|3[04-9]|6")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?!\w)")
_PHONE_PLUS = re.compile(r"(?<![\w.+])\+[1-9]\d{0,14}(?:[ .()/-]{1,2}\d{1,12}){0,6}(?![\w%]|[.,]\d)")
_PHONE_LOCAL = re.compile(r"(?<![\w.,(-])(?:\(\d{3}\) ?\d{3}[ .-]\d{4}|[2-9]\d{2}([.-])\d{3}\1\d{4})(?![\w-]|[.,]\d)")
_PHONE_NAMED = re.compile(
    r"(?i)\b((?:tele)?phone|tel|fax|whatsapp)((?: (?:no|number))?[\s.:=\"'#]{1,4})\(?\d[\d ()/-]{5,18}\d"
)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_JWT = re.compile(r"(?<!\w)eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-(?=[\w-]*\d)[\w-]{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|xox[a-z]-[\w-]{8,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,})"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic) +(?=[\w.~+/=-]*[\d=])[\w.~+/=-]{8,}")
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:\w+[_-])?(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)[\"']?\s*[=:]\s*)"
    r"(\"[^\"\n]+\"|'[^'\n]+'|[^\s\"',;&}]+)"
)
_USERINFO = re.compile(r"(://[^\s/:@]{0,64}:)[^\s/@]{1,256}(@)")


def mask_pii(text: str) -> str:
    """``text`` with personal data and credentials replaced by a tag such as ``[e-mail]`` or ``[card]``.

    Metric values, dates and timestamps stay as they are: a number counts as a phone or card only in the
    written form of one, and cards and IBANs only when their check digits hold.
    """
    if _USERINFO.search(text):
        text = _USERINFO.sub(rf"\1{SECRET}\2", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    return "[card]" if _CARD_BRAND.match(digits) and _luhn(digits) else match.group()


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _iban(match: re.Match[str]) -> str:
    """The match may run on into a following word in capitals: the longest valid beginning is masked."""
    words = match.group().split(" ")
    for end in range(len(words), 0, -1):
        code = "".join(words[:end])
        if 15 <= len(code) <= 34 and _mod97(code) == 1:
            return " ".join(["[iban]", *words[end:]])
    return match.group()


def _mod97(code: str) -> int:
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97


def _phone(match: re.Match[str]) -> str:
    text = match.group()
    digits, gaps = re.sub(r"\D", "", text), re.findall(r"\D+", text[1:])
    if _ISO_DATE.search(text) or not 8 <= len(digits) <= 15:
        return text
    number_like = gaps in ([], ["."]) and (gaps or len(digits) < 10)  # +12345678 and +1234567.89 are deltas
    return text if number_like else "[phone]"


def _named(match: re.Match[str]) -> str:
    """``password="x"`` keeps its quotes, so masked JSON stays JSON."""
    mark = match.group(2)[0] if match.group(2)[0] in "\"'" else ""
    return f"{match.group(1)}{mark}{SECRET}{mark}"


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_JWT, SECRET),
    (_TOKEN, SECRET),
    (_BEARER, rf"\1 {SECRET}"),
    (_NAMED_SECRET, _named),
    (_EMAIL, "[e-mail]"),
    (_IBAN, _iban),
    (_CARD, _card),
    (_SSN_NAMED, r"\1[ssn]"),
    (_SSN, "[ssn]"),
    (_PHONE_PLUS, _phone),
    (_PHONE_LOCAL, "[phone]"),
    (_PHONE_NAMED, r"\1\2[phone]"),
)


class Redactor:
    """Replaces every known secret by ``[secret]``, also where it was URL-, JSON- or HTML-escaped.

    Secrets shorter than four characters are not looked for. With ``pii`` personal data is masked too.
    """

    def __init__(self, secrets: Iterable[str], *, pii: bool = False) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda f: (-len(f), f))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None
        self._pii = pii

    def text(self, text: str) -> str:
        """``text`` without any secret."""
        if self._pattern:
            text = self._pattern.sub(SECRET, text)
        return mask_pii(text) if self._pii else text

    def json(self, value: Json) -> Json:
        """``value`` without any secret in its strings and keys; its shape and numbers are unchanged."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(k): self.json(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.json(v) for v in value]
        return value


def _forms(secret: str) -> Iterable[str]:
    for value in (secret, _password(secret)):
        if len(value.strip()) < SHORTEST_SECRET:
            continue
        encoded = (quote(value, safe=""), quote(value), quote_plus(value))
        yield from (value, *encoded, *(re.sub(r"%..", lambda m: m.group().lower(), e) for e in encoded))
        yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value))


def _password(secret: str) -> str:
    """The password inside a secret URL; a driver may print it on its own."""
    try:
        return unquote(urlsplit(secret).password or "")
    except ValueError:
        return ""


class RedactingFilter(logging.Filter):
    """A logging filter after which no record, traceback included, holds a secret."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record in place; always lets it pass."""
        record.msg, record.args = self._redactor.text(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redactor.text(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.text(record.stack_info)
        return True
