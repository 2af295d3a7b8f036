"""What a channel is: it gives a message its form, and sends that form unchanged."""

from __future__ import annotations

from abc import ABC, abstractmethod

from core.act.message import Message
from core.context import Context
from core.model import Delivery, Notification
from core.plugins import Plugin, Registry


class Channel(Plugin, ABC):
    """One way to reach people. Its secrets stay in the settings and reach only :meth:`send`."""

    @abstractmethod
    def compose(self, message: Message) -> Notification:
        """The message in this channel's form: what the preview shows, the outbox keeps and :meth:`send` sends."""

    @abstractmethod
    def wire(self, notification: Notification, delivery: Delivery) -> bytes:
        """The exact bytes that go out; the same on every attempt."""

    @abstractmethod
    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Makes one attempt; answers the provider's reference for the message, empty where it gives none.

        Raises: ProviderError (``retryable`` or not), ConfigError when the channel is not set up.
        """


channels: Registry[Channel] = Registry("channel")
