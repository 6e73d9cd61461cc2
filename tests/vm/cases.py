# SPDX-License-Identifier: MIT
"""
Things to try under a policy, as files: what is prepared, attacks, what is only recorded, ordinary uses.

An attack that exits with 0 has succeeded. ``listen`` names ports and unix sockets to connect to.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import compiled
import pytest
import yaml
from engine import Engine, attempt
from patience import scaled

_STAND_IN = Path("/usr/local/lib/enforcer-test-stand-in")
_PRELUDE = f"""
set -e
fake() {{ cp --remove-destination "$(type -P "$1")" "$2"; }}  # an installed program by another name
stand_in() {{ cp --remove-destination {_STAND_IN} "$1"; }}  # stand_in.c
package_list() {{ rm -rf "$1"; mkdir -p "$1"/{{info,updates}}; : >"$1/status"; }}  # dpkg --admindir
"""


@attrs.frozen
class Case:
    """
    One thing to try; *rule* is empty for an ordinary use.

    Kernels without the file *needs* cannot do it; RELEASE in its name is the kernel's.
    """

    policy: str
    name: str
    run: tuple[str, ...]
    rule: str = ""
    intact: str = ""
    needs: str = ""

    @property
    def id(self) -> str:
        return f"{self.policy}-{self.name}"


def read_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The files of *folder* by the policies that they are about."""
    return {
        path.stem: yaml.load(path.read_bytes(), yaml.CSafeLoader)
        for path in sorted(folder.glob("*.yaml"))
    }


def possible(files: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of *files* about what this kernel has."""
    return [file for file in files.values() if _is_there(file.get("needs", ""))]


def is_possible(case: Case) -> bool:
    """Whether this kernel has what *case* is about; otherwise nobody has prepared it."""
    return _is_there(case.needs)


def skip_impossible(case: Case) -> None:
    """Skip the test of a *case* that this kernel cannot do."""
    if not is_possible(case):
        pytest.skip(f"this kernel has no {case.needs.replace('RELEASE', os.uname().release)}")


def _is_there(needs: str) -> bool:
    return not needs or Path(needs.replace("RELEASE", os.uname().release)).exists()


def cases(files: dict[str, dict[str, Any]], kind: str) -> list[Case]:
    """All cases of one *kind*: ``attacks``, ``recorded`` or ``ordinary``."""
    return [
        _case(policy, {"needs": file.get("needs", ""), **one})
        for policy, file in files.items()
        for one in file.get(kind, ())
    ]


def _case(policy: str, written: dict[str, Any]) -> Case:
    run = written["run"]
    argv = ("/bin/bash", "-c", run) if isinstance(run, str) else tuple(run)
    others = {key: written[key] for key in ("rule", "intact", "needs") if key in written}
    return Case(policy, written["name"], argv, **others)


def compile_stand_in() -> None:
    compiled.place("stand-in", _STAND_IN)


def prepare(files: Iterable[dict[str, Any]]) -> None:
    """Do what each says, apart from the others, in one program: an emulated machine begins some slowly."""
    apart = [f"(\n{file['prepare']}\n)\n" for file in files]
    done = attempt("/bin/bash", "-c", _PRELUDE + "".join(apart))
    assert 0 == done.returncode, done.stderr.decode()


@contextmanager
def listening(files: Iterable[dict[str, Any]]) -> Iterator[None]:
    """Whatever the cases connect to is there."""
    with ExitStack() as stack:
        for where in sorted({w for file in files for w in file.get("listen", ())}, key=str):
            stack.enter_context(_listen(where))
        yield


def _listen(where: int | str) -> socket.socket:
    """Nobody accepts: for a connection to be made, listening is enough."""
    if isinstance(where, int):
        return socket.create_server(
            ("::", where), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
    Path(where).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    listener.listen(64)
    return listener


def size(running: Engine) -> int:
    """How many records there are now."""
    return len(running.events())


def since(running: Engine, before: int) -> list[dict[str, Any]]:
    """The records behind the first *before*."""
    return running.events()[before:]


def acted(running: Engine, before: int, case: Case) -> dict[str, Any]:
    """The record of the rule that *case* expects; records reach the log a little later."""
    until = time.monotonic() + scaled(10)
    while True:
        records = since(running, before)
        for record in records:
            said = [record, *record.get("matches", ())]
            if any((case.policy, case.rule) == (one["policy"], one["rule"]) for one in said):
                return record
        assert time.monotonic() < until, records
        time.sleep(0.05)


def check_attack(running: Engine, case: Case) -> None:
    """*case* fails, by its rule, and what it is about is intact."""
    before = size(running)

    done = attempt(*case.run)

    assert 0 != done.returncode, done.stdout
    event = acted(running, before, case)
    assert event["action"] in {"deny", "kill"}
    if case.intact:
        check = attempt("/bin/bash", "-c", case.intact)
        assert 0 == check.returncode, check.stderr


def check_ordinary(running: Engine, case: Case) -> None:
    """*case* goes on."""
    before = size(running)

    done = attempt(*case.run)

    assert 0 == done.returncode, (done.stderr, since(running, before))
