"""Every deliberate error, in one tree.

::

    WorkbenchError            code, message, hint
    ├── ConfigError           a playbook, setting or stored definition is wrong       exit 2
    ├── InputError            data or a parameter a person gave is wrong              exit 2, HTTP 400
    │   └── TooLarge          the input is over a stated limit                        exit 2, HTTP 413
    ├── Forbidden             the signed-in person may not do this                    HTTP 403
    ├── NotFound              no such run, incident, source (or another tenant's)     HTTP 404
    ├── Conflict              the state machine or a duplicate forbids it             HTTP 409
    ├── BudgetExceeded        the day's model budget is spent                         (rules take over)
    ├── ProviderError         a model, mail or web service failed; ``retryable``      exit 3, HTTP 502
    └── StoreError            the state store cannot be reached or is damaged         exit 3, HTTP 503

Foreign exceptions are mapped to these in ``adapters``, ``engine``, ``load``, ``check`` and ``store``;
programming errors are never caught.
"""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of all deliberate errors: a message for people, a stable ``code``, and what to do next."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(WorkbenchError):
    """A playbook, setting or stored definition is wrong."""

    code = "config"


class InputError(WorkbenchError):
    """Data or a parameter that a person gave is wrong; the message names file, row, column or field."""

    code = "input"


class TooLarge(InputError):
    """The input is over a stated limit."""

    code = "too_large"


class Forbidden(WorkbenchError):
    """The signed-in person may not do this."""

    code = "forbidden"


class NotFound(WorkbenchError):
    """No such thing, or it belongs to another tenant."""

    code = "not_found"


class Conflict(WorkbenchError):
    """The present state forbids this."""

    code = "conflict"


class BudgetExceeded(WorkbenchError):
    """The day's model budget is spent."""

    code = "budget"


class ProviderError(WorkbenchError):
    """A service outside the process failed. ``retryable`` says whether trying again can help."""

    code = "provider"

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        reason: str = "",
        retry_after_s: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.reason = reason
        self.retry_after_s = retry_after_s


class StoreError(WorkbenchError):
    """The state store cannot be reached or is damaged."""

    code = "store"
