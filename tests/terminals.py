# SPDX-License-Identifier: MIT
"""Programs on a terminal of their own: what they show, and what is left of the terminal afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import attrs

LONG = 240.0  # seconds; nothing is judged by how long it takes

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|\][^\x07]*\x07)")


def _own_terminal() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # whoever started the tests may ignore them
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@attrs.define
class Terminal:
    """A pseudo terminal with a program on it."""

    fd: int
    fd_there: int
    process: subprocess.Popen[bytes]
    before: list
    raw: bytes = b""

    @classmethod
    def running(cls, command, *, size=(80, 24), **environment) -> Terminal:
        fd, there = os.openpty()
        made = cls(fd, there, None, termios.tcgetattr(there))
        made.resize(*size, tell=False)
        made.process = subprocess.Popen(
            command,
            stdin=there,
            stdout=there,
            stderr=there,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
            preexec_fn=_own_terminal,  # noqa: PLW1509 (it calls the kernel twice, and takes no lock)
        )
        return made

    def resize(self, columns, lines, *, tell=True) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    @property
    def text(self) -> str:
        """Everything that was shown so far, without sequences."""
        return _SEQUENCE.sub("", self.raw.decode("utf-8", "replace"))

    def forget(self) -> None:
        self.raw = b""

    def read(self, seconds=0.05) -> None:
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                return
            self.raw += more
            seconds = 0

    def until(self, what: str) -> None:
        """Read until *what* was shown."""
        end = time.monotonic() + LONG
        while what not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"{what!r} was not shown, but:\n{self.text[-4000:]}")
            self.read()

    def ends(self) -> int:
        """Read until the program has ended; returns its exit code."""
        end = time.monotonic() + LONG
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"it did not end, but showed:\n{self.text[-4000:]}")
            self.read()
        self.read()
        return self.process.returncode

    @property
    def modes(self) -> list:
        """As they are now."""
        return termios.tcgetattr(self.fd_there)

    @property
    def is_restored(self) -> bool:
        """Whether the modes are what they were, and screen, cursor and wrapping were given back."""
        is_same = self.modes == self.before
        switches = [("[?1049", "h", "l"), ("[?25", "l", "h"), ("[?7", "l", "h")]
        text = self.raw.decode("utf-8", "replace")
        return is_same and all(
            text.rfind(name + back) >= text.rfind(name + away) for name, away, back in switches
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.fd)
        os.close(self.fd_there)
