"""Python reads this before a watched workbench starts: every name or address beyond this machine is written down."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in HERE:
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"{event} {name}\n")


if "FOREIGN_LOG" in os.environ:
    LOG = Path(os.environ["FOREIGN_LOG"])
    LOG.touch()  # an empty log says that somebody watched
    sys.addaudithook(_watch)
