# SPDX-License-Identifier: MIT
"""
Notifications for a service manager: ready, reloading, stopping, and the watchdog.

The protocol is sd_notify(3): one datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET``
names. Without it, nothing is sent. Enforcement never depends on the manager.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

__all__ = ["Notifier"]

_PATIENCE = 1.0  # seconds that a manager whose queue is full may hold the loop up
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@attrs.define(eq=False, repr=False)
class Notifier:
    """
    Tells the manager that listens at *address*; None is nobody.

    Attributes:
        interval: seconds between two signs of life that the manager's watchdog wants; None if none.
        report: gets a sentence when the first message does not arrive.
        failures: how many did not.
    """

    address: str | None = None
    interval: float | None = None
    report: Callable[[str], None] = lambda _: None
    clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    failures: int = attrs.field(default=0, init=False)

    @classmethod
    def from_environment(
        cls, environment: MutableMapping[str, str], report: Callable[[str], None]
    ) -> Notifier:
        """Take what the manager left in *environment* out of it: it was meant for this process."""
        address, watchdog, pid = (environment.pop(name, "") for name in _VARIABLES)
        # Other kinds of address (vsock) are for managers of whole machines.
        if not address.startswith(("/", "@")):
            return cls(report=report)
        is_watched = watchdog.isascii() and watchdog.isdigit() and int(watchdog) > 0
        if not is_watched or (pid and pid != str(os.getpid())):
            return cls(address, report=report)
        return cls(address, int(watchdog) / 2e6, report)

    def ready(self, status: str | None = None) -> None:
        """Tell that enforcement is active, at first or after :meth:`reloading`."""
        self._tell("READY=1", status)

    def reloading(self) -> None:
        """Tell that the configuration is read again; call :meth:`ready` after that."""
        self._tell("RELOADING=1", None, f"MONOTONIC_USEC={self.clock_us()}")

    def stopping(self) -> None:
        """Tell that enforcement is about to end."""
        self._tell("STOPPING=1")

    def status(self, status: str) -> None:
        """Say in one line how things are, for ``systemctl status``."""
        self._tell(None, status)

    def alive(self) -> None:
        """Answer the watchdog, so that it does not restart the daemon."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str | None, status: str | None = None, *others: str) -> None:
        if self.address is None:
            return
        line = f"STATUS={' '.join(status.split())}" if status is not None else None
        message = "\n".join(filter(None, (state, line, *others)))
        try:
            self._send(message.encode("utf-8", "replace"))
        except OSError as error:
            # The manager restarts us if it misses signs of life, and the kernel enforces meanwhile.
            if not self.failures:
                self.report(
                    "the service manager cannot be notified; enforcement is not affected: "
                    f"{self.address}: {error.strerror or error}"
                )
            self.failures += 1

    def _send(self, message: bytes) -> None:
        address = os.fsencode(self.address or "")
        if address.startswith(b"@"):
            address = b"\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.settimeout(_PATIENCE)
            manager.connect(address)
            manager.sendall(message)
