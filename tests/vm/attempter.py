# SPDX-License-Identifier: MIT
"""
Attempts by Pythons that have started already.

An emulated machine starts a Python and imports what an attempt needs in a third of a second, and there are
hundreds. So each program of attempts is started once, and forks for each: the process that tries has the
executable, the lineage and the ids that one of its own would have, but did not execute it itself. Who tries
under an engine was started under it: the engine's start and end :func:`forget` the earlier ones.
"""

from __future__ import annotations

import atexit
import json
import select
import subprocess
import sys
from pathlib import Path

import attrs
from patience import scaled

__all__ = ["forget", "make", "scripted"]

_LIMIT = 60.0  # seconds for one attempt


def scripted(program: str, *argv: str) -> list[str]:
    """
    Return the arguments of a Python that runs ``main`` of the file *program* and ends with what it returns.

    As a module it is not compiled anew, which takes an emulated machine longer than to run it. It sees
    *argv* as ``sys.argv[1:]``, and no installed packages.
    """
    file = Path(program)
    code = f"import sys; sys.path.append({str(file.parent)!r})"
    code += f"; from {file.stem} import main; sys.exit(main())"
    return [sys.executable, "-ISc", code, *argv]


@attrs.frozen
class _Server:
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, program: str) -> _Server:
        argv = scripted(program)
        return cls(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0))

    def make(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        asked, answers = self.process.stdin, self.process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(json.dumps(arguments).encode() + b"\n")
        limit = scaled(_LIMIT)
        if not select.select([answers], [], [], limit)[0]:
            raise subprocess.TimeoutExpired(arguments, limit)
        line = answers.readline()
        assert line, f"{self.process.args} ended with {self.process.wait(limit)} at {arguments}"
        code, out, err = json.loads(line)
        return subprocess.CompletedProcess(arguments, code, bytes.fromhex(out), bytes.fromhex(err))

    def end(self) -> None:
        asked, answers = self.process.stdin, self.process.stdout
        assert asked is not None
        assert answers is not None
        asked.close()
        try:
            self.process.wait(scaled(_LIMIT))
        except subprocess.TimeoutExpired:  # it waits for an attempt that does not end
            self.process.kill()
            self.process.wait()
        answers.close()


_servers: dict[str, _Server] = {}


def make(program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """
    Make the attempt *arguments* of *program*, ``*_attempts.py``; return how it ended, -9 for SIGKILL.

    Raises:
        subprocess.TimeoutExpired: if it does not end.
    """
    server = _servers.get(program)
    if server is None:
        server = _servers[program] = _Server.start(program)
    return server.make(arguments)


def forget() -> None:
    """End what has been started; the next attempt starts anew."""
    while _servers:
        _servers.popitem()[1].end()


atexit.register(forget)
