# SPDX-License-Identifier: MIT
"""
Processes of ``enforcer`` that need not import it: forked from one that has done so.

An emulated machine imports for four seconds. Where a test is not about the start itself, it asks
for a process here: the server, a Python of its own that is started at the first request and ends
with this process, forks twice, so that the new one becomes a child of this process as if it had been
started by it. It runs ``enforcer.cli.main`` in the directory and with the environment, arguments,
standard streams, signals and name that an executed one would have. Its limits, cgroup, umask and
priority are those of the server: of this process at the first request. What the kernel shows of it
as the executable is the same, Python; ``/proc/PID/cmdline`` is the server's.
"""

from __future__ import annotations

import ast
import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

__all__ = ["Process", "run", "start"]

_COMMANDS = ("start", "policy", "reload", "status", "stop", "confirm")
_STREAMS = (0, 1, 2)
_MOST = 1 << 18  # bytes of a request, which is one packet
_PAUSE = 0.02  # seconds between two looks at a child
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


@attrs.define(eq=False)
class Process:
    """A child of this process, with the manners of ``subprocess.Popen``."""

    args: tuple[str, ...]
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait for the end, *timeout* seconds at most, and return how it ended.

        Raises:
            subprocess.TimeoutExpired: if it still runs.
        """
        # Not by pidfd_open(2): Linux 6.9 opens it as a file, and the policy under test may refuse that.
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(_PAUSE)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended, as far as this process has seen."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


@attrs.define
class _Server:
    """The other end of it; one request at a time."""

    channel: socket.socket
    process: subprocess.Popen[bytes]
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @classmethod
    def begin(cls) -> _Server:
        """Start it; it ends when this end of the channel is closed, at the latest with this process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        made = cls(ours, process)
        atexit.register(made.end)
        return made

    def end(self) -> None:
        """Let it end; what it forked goes on."""
        self.channel.close()
        self.process.wait()

    def fork(self, request: Mapping[str, Any], streams: Sequence[int]) -> int:
        """Return the number of a new child of this process."""
        with self.lock:
            # Whose parent has ended becomes a child of the nearest ancestor that asks for it.
            _adopt(wanted=True)
            try:
                socket.send_fds(self.channel, [json.dumps(request).encode()], list(streams))
                said = self.channel.recv(64)
            finally:
                _adopt(wanted=False)
        assert said, f"the server of processes has ended: {self.process.wait(60)}"
        return int(said)


_server: _Server | None = None


def start(argv: Sequence[str], output: IO[bytes]) -> Process:
    """Run ``enforcer`` with *argv*, its name first; all that it prints goes to *output*."""
    return _start(argv, output.fileno(), output.fileno())


def run(
    argv: Sequence[str], *, timeout: float, said: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """
    Run ``enforcer`` with *argv*, its name first, to its end, and return what it printed.

    On its standard input it finds *said*.

    Raises:
        subprocess.TimeoutExpired: after *timeout* seconds; it is killed.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(said)
        given.seek(0)
        process = _start(argv, out.fileno(), err.fileno(), given.fileno())
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess(list(argv), code, *said)


def _start(argv: Sequence[str], out: int, err: int, given: int | None = None) -> Process:
    global _server  # noqa: PLW0603 - one for this process
    if _server is None:
        _server = _Server.begin()
    request = {"argv": list(argv), "environment": dict(os.environ), "directory": str(Path.cwd())}
    with Path(os.devnull).open("rb") as nothing:
        first = nothing.fileno() if given is None else given
        return Process(tuple(argv), _server.fork(request, [first, out, err]))


def _adopt(*, wanted: bool) -> None:
    arguments = map(ctypes.c_ulong, (wanted, 0, 0, 0))
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, *arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# ---- The server -------------------------------------------------------------------------------


def _main(channel: socket.socket) -> int:
    """Serve; in a new process, do what was asked for and return its exit code."""
    from cheap_keys import make_keys_cheap
    from ledger import keep

    _import_commands()
    make_keys_cheap()
    keep()
    gc.freeze()  # a collection in what is forked would touch, and so copy, every page of what was imported
    request = _serve(channel)
    return 0 if request is None else _become(**request)


def _import_commands() -> None:
    """Import the commands, and what they import when they run; that much makes no kernel object."""
    importlib.import_module("enforcer.cli.main")
    for command in _COMMANDS:
        module = importlib.import_module(f"enforcer.cli.{command}")
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("enforcer."):
                importlib.import_module(str(node.module))


@functools.cache
def _import_everything() -> None:
    """Import what a protected daemon imports at its start; it then finds it there."""
    from enforcer.runtime.protection import own_code

    own_code.load()
    gc.freeze()


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; returns it in the new process, and None in the server at its end."""
    while True:
        message, streams, _, _ = socket.recv_fds(channel, _MOST, len(_STREAMS))
        if not message:
            return None
        request = dict(json.loads(message))
        if "--protect" in request["argv"]:
            _import_everything()
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                channel.detach()
                _take(streams)
                return request
            os.write(writing, str(child).encode())
            os._exit(0)
        for fd in (writing, *streams):
            os.close(fd)
        os.waitpid(between, 0)  # from now on the child is the other side's
        number = os.read(reading, 64)
        os.close(reading)
        channel.send(number)


def _take(streams: Sequence[int]) -> None:
    """Make *streams* the standard streams, and close everything else."""
    for fd, standard in zip(streams, _STREAMS, strict=True):
        os.dup2(fd, standard)
    os.closerange(len(_STREAMS), os.sysconf("SC_OPEN_MAX"))


def _become(argv: list[str], environment: dict[str, str], directory: str) -> int:
    """Be ``enforcer`` with *argv*; returns the exit code."""
    from enforcer.cli.main import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = argv
    sys.path[0] = str(Path(argv[0]).parent)
    Path("/proc/self/comm").write_text(Path(argv[0]).name, encoding="utf-8")
    return main()


if __name__ == "__main__":
    sys.exit(_main(socket.socket(fileno=int(sys.argv[1]))))
