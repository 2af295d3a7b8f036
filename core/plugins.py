"""One way to plug in: a frozen pydantic model with one method, registered by name in its stage's registry.

The fields of a plugin are at once its YAML keys, its validation, and its form on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import ConfigError


class Plugin(BaseModel):
    """Base of every plugin: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    title: ClassVar[str]


P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """The plugins of one stage, by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._plugins: dict[str, type[P]] = {}

    def register(self, name: str, title: str) -> Callable[[type[P]], type[P]]:
        """Class decorator: puts the plugin into the registry under ``name``."""

        def add(cls: type[P]) -> type[P]:
            if name in self._plugins:
                raise ConfigError(f"{self.kind} '{name}' is registered twice.")
            cls.name, cls.title = name, title
            self._plugins[name] = cls
            return cls

        return add

    def __iter__(self) -> Iterator[type[P]]:
        return iter(self._plugins.values())

    def __contains__(self, name: object) -> bool:
        return name in self._plugins

    @property
    def names(self) -> tuple[str, ...]:
        """Registered names, in order of registration."""
        return tuple(self._plugins)

    def get(self, name: str) -> type[P]:
        """The plugin class called ``name``.

        Raises: ConfigError when there is none; the message lists the known names.
        """
        try:
            return self._plugins[name]
        except KeyError:
            known = ", ".join(self._plugins)
            raise ConfigError(f"There is no {self.kind} '{name}'.", hint=f"Known: {known}.") from None

    def build(self, name: str, params: dict[str, object] | None = None) -> P:
        """A plugin from its name and parameters.

        Raises: ConfigError naming the parameter and what was expected.
        """
        cls = self.get(name)
        try:
            return cls.model_validate(params or {})
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise ConfigError(f"{self.kind} '{name}': {where}: {first['msg']}.", field=where) from None
