# SPDX-License-Identifier: MIT
"""
The user's own kubectl, run for each question: its contexts, proxies and ways to log in are those of the user.

Words are arguments, never text for a shell. All that comes back is bounded, and is made fit for a terminal before
it is shown: a cluster has many authors.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs

from enforcer.cli.exits import UsageError
from enforcer.safe_text import neutral, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_ANSWER", "Kubectl", "KubectlError", "end", "sentence"]

MAX_ANSWER: Final = 256 << 20
"""Bytes of what kubectl prints for one question: 500 objects of about 1.5 MiB at most would be three times that."""

_MAX_SAID: Final = 64 << 10
_SHOWN: Final = 600
_PATIENCE: Final = 3.0
"""Seconds after which what kubectl says is shown while it says it: somebody may have to log in."""

_PIECE: Final = 1 << 16


class KubectlError(UsageError):
    """
    kubectl failed.

    Attributes:
        said: what it said, on one line.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"kubectl: {said}")
        self.said = said

    @property
    def is_forbidden(self) -> bool:
        """Whether who asks has no right to it."""
        return "(Forbidden)" in self.said

    @property
    def is_missing(self) -> bool:
        """Whether there is no such thing, or no such kind."""
        return "(NotFound)" in self.said


@attrs.frozen
class Kubectl:
    """
    How kubectl is called.

    Attributes:
        options: for all questions, such as ``--context=prod``.
        program: its path, or its name on the path.
    """

    options: tuple[str, ...] = ()
    program: str = "kubectl"

    def ask(self, *words: str, given: bytes | None = None, most: int = MAX_ANSWER) -> bytes:
        """
        Return what kubectl prints for *words*.

        Args:
            words: arguments.
            given: its standard input; None: that of this process, since a way to log in may ask.
            most: bytes that it may print.

        Raises:
            KubectlError: it failed, or printed more.
        """
        pieces: list[bytes] = []
        self._pass(words, given, most, pieces.append)
        return b"".join(pieces)

    def save(self, *words: str, into: BinaryIO, most: int) -> int:
        """
        Write what kubectl prints for *words* into a file, and return how many bytes that is.

        Args:
            words: arguments.
            into: the file.
            most: bytes that it may print.

        Raises:
            KubectlError: it failed, or printed more.
            OSError: the file cannot be written.
        """
        return self._pass(words, None, most, into.write)

    def _pass(
        self,
        words: tuple[str, ...],
        given: bytes | None,
        most: int,
        take: Callable[[bytes], object],
    ) -> int:
        with self.running(*words, given=given) as process:
            said = _Said(process)
            size = _pass_on(process, given, most, take)
            code = process.wait()
            text = said.end()
        if code:
            raise KubectlError(text or f"it ended with code {code} and said nothing")
        return size

    @contextlib.contextmanager
    def running(self, *words: str, given: bytes | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """
        Run kubectl for *words*; it does not outlive the block.

        Raises:
            UsageError: it cannot be run.
        """
        process = self.start(*words, has_input=given is not None)
        try:
            yield process
        finally:
            end(process)

    def start(self, *words: str, has_input: bool = False) -> subprocess.Popen[bytes]:
        """
        Start kubectl for *words*, with what it prints and says in pipes.

        Raises:
            UsageError: it cannot be run.
        """
        path = shutil.which(self.program)
        if path is None:
            raise UsageError(
                "there is no kubectl on the path: install it, and log in to the cluster"
            )
        try:
            return subprocess.Popen(
                [path, *self.options, *words],
                stdin=subprocess.PIPE if has_input else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise UsageError(f"cannot run {path}: {error.strerror}") from error


def end(process: subprocess.Popen[bytes]) -> None:
    """End *process* if it still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def sentence(raw: bytes) -> str:
    """Return what kubectl said, *raw*, on one line that a terminal can be given."""
    lines = [line.strip() for line in readable(raw).splitlines()]
    # Where a server cannot be reached kubectl tells each attempt, in the form of its own log.
    told = [line for line in lines if line and not _is_log(line)] or [
        line for line in lines if line
    ]
    text = neutral(" ".join(dict.fromkeys(told)))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_log(line: str) -> bool:
    return line[:1] in {"E", "I", "W"} and line[1:5].isdecimal()


def _pass_on(
    process: subprocess.Popen[bytes],
    given: bytes | None,
    most: int,
    take: Callable[[bytes], object],
) -> int:
    """Let *take* have all that *process* prints, which gets *given* meanwhile; return how much it was."""
    assert process.stdout is not None  # noqa: S101 - it was started so
    writer = None
    if given is not None and process.stdin is not None:
        writer = threading.Thread(target=_feed, args=(process.stdin, given), daemon=True)
        writer.start()
    size = 0
    while piece := os.read(process.stdout.fileno(), _PIECE):
        size += len(piece)
        if size > most:
            raise KubectlError(f"it printed more than {most:,} bytes")
        take(piece)
    if writer is not None:
        writer.join()
    return size


def _feed(stream: BinaryIO, given: bytes) -> None:
    # Who does not read all of it says why, on standard error.
    with contextlib.suppress(OSError):
        stream.write(given)
    with contextlib.suppress(OSError):
        stream.close()


@attrs.define(eq=False, repr=False)
class _Said:
    """
    What a process says on standard error: kept for the sentence of a failure, and shown if the process takes long.
    """

    process: subprocess.Popen[bytes]
    _kept: bytearray = attrs.field(factory=bytearray, init=False)
    _shown: int = attrs.field(default=0, init=False)
    _is_live: bool = attrs.field(default=False, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _reader: threading.Thread = attrs.field(init=False)
    _timer: threading.Timer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._timer = threading.Timer(_PATIENCE, self._go_live)
        self._timer.daemon = True
        self._reader.start()
        self._timer.start()

    def end(self) -> str:
        """Return what was said, when the process has ended."""
        self._timer.cancel()
        self._reader.join()
        return sentence(bytes(self._kept))

    def _read(self) -> None:
        stream = self.process.stderr
        assert stream is not None  # noqa: S101 - it was started so
        while piece := os.read(stream.fileno(), _PIECE):
            with self._lock:
                self._kept += piece[: _MAX_SAID - len(self._kept)]
                self._show()

    def _go_live(self) -> None:
        with self._lock:
            self._is_live = True
            self._show()

    def _show(self) -> None:
        if not self._is_live:
            return
        text, self._shown = readable(bytes(self._kept[self._shown :])), len(self._kept)
        with contextlib.suppress(OSError):
            sys.stderr.write("\n".join(map(neutral, text.split("\n"))))
            sys.stderr.flush()
