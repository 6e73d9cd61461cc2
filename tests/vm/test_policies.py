# SPDX-License-Identifier: MIT
"""
Every policy of ``policies/``: attacks that succeed without it and fail with it, and ordinary uses
that go on.

The cases are ``policy_cases/<policy>.yaml``. An attack that exits with 0 has succeeded. All policies
are in force together, so one engine serves all cases; the record tells which of them acted.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from engine import Engine, attempt, engine

_POLICIES = Path(__file__).parents[2] / "policies"
_CASES = Path(__file__).with_name("policy_cases")
_STAND_IN = Path("/usr/local/lib/enforcer-test-stand-in")
_PRELUDE = f"""
set -e
fake() {{ rm -f "$2"; cp "$(realpath "$(type -P "$1")")" "$2"; }}  # an installed program by another name
stand_in() {{ rm -f "$1"; cp {_STAND_IN} "$1"; }}  # stand_in.c
package_list() {{ rm -rf "$1"; mkdir -p "$1"/{{info,updates}}; : >"$1/status"; }}  # dpkg --admindir
"""


@attrs.frozen
class Case:
    """One thing to try; *rule* is empty for an ordinary use."""

    policy: str
    name: str
    run: tuple[str, ...]
    rule: str = ""
    intact: str = ""

    @property
    def id(self) -> str:
        return f"{self.policy}-{self.name}"


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _case(policy: str, written: dict[str, Any]) -> Case:
    run = written["run"]
    argv = ("/bin/bash", "-c", run) if isinstance(run, str) else tuple(run)
    return Case(policy, written["name"], argv, written.get("rule", ""), written.get("intact", ""))


_FILES = {path.stem: _read(path) for path in sorted(_CASES.glob("*.yaml"))}
_ATTACKS = [_case(policy, one) for policy, file in _FILES.items() for one in file["attacks"]]
_ORDINARY = [_case(policy, one) for policy, file in _FILES.items() for one in file["ordinary"]]


def _shell(script: str) -> None:
    done = attempt("/bin/bash", "-c", _PRELUDE + script)
    assert 0 == done.returncode, done.stderr.decode()


def _compile() -> None:
    source = Path(__file__).with_name("stand_in.c")
    subprocess.run(["gcc", "-O1", "-Wall", "-static", "-o", _STAND_IN, source], check=True)


def _prepare() -> None:
    for file in _FILES.values():
        _shell(file["prepare"])


def _listen(where: int | str) -> socket.socket:
    """Nobody accepts: for a connection to be made, listening is enough."""
    if isinstance(where, int):
        return socket.create_server(
            ("::", where), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    listener.listen(64)
    return listener


@attrs.define
class Enforced:
    """The engine, and how each attack ended before it was started."""

    engine: Engine
    control: dict[str, int]


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enforced]:
    with ExitStack() as stack:
        for where in sorted(
            {w for file in _FILES.values() for w in file.get("listen", ())}, key=str
        ):
            stack.enter_context(_listen(where))
        control = {}
        _compile()
        _prepare()
        for case in _ATTACKS:
            control[case.id] = attempt(*case.run).returncode
        _prepare()
        paths = [str(path) for path in sorted(_POLICIES.glob("*.yaml"))]
        running = stack.enter_context(engine(paths, tmp_path_factory.mktemp("policies")))
        yield Enforced(running, control)


def _size(running: Engine) -> int:
    return running.log.stat().st_size if running.log.exists() else 0


def _since(running: Engine, before: int) -> list[dict[str, Any]]:
    """The complete records behind *before*; a whole log would be read again for each case."""
    if not running.log.exists():
        return []
    with running.log.open("rb") as log:
        log.seek(before)
        return [json.loads(line) for line in log if line.endswith(b"\n")]


def _acted(running: Engine, before: int, case: Case) -> dict[str, Any]:
    """The record of the rule that *case* expects; records reach the log a little later."""
    until = time.monotonic() + 10
    while True:
        records = _since(running, before)
        for record in records:
            if (case.policy, case.rule) == (record["policy"], record["rule"]):
                return record
        assert time.monotonic() < until, records
        time.sleep(0.05)


def test_every_policy_has_cases() -> None:
    assert {path.stem for path in _POLICIES.glob("*.yaml")} == set(_FILES)


@pytest.mark.parametrize("case", _ATTACKS, ids=lambda case: case.id)
def test_attack_succeeds_without_the_policy(case: Case, enforced: Enforced) -> None:
    assert 0 == enforced.control[case.id]


@pytest.mark.parametrize("case", _ATTACKS, ids=lambda case: case.id)
def test_attack_is_stopped_by_its_rule(case: Case, enforced: Enforced) -> None:
    before = _size(enforced.engine)

    done = attempt(*case.run)

    assert 0 != done.returncode, done.stdout
    event = _acted(enforced.engine, before, case)
    assert event["action"] in {"deny", "kill"}
    if case.intact:
        check = attempt("/bin/bash", "-c", case.intact)
        assert 0 == check.returncode, check.stderr


@pytest.mark.parametrize("case", _ORDINARY, ids=lambda case: case.id)
def test_ordinary_use_goes_on(case: Case, enforced: Enforced) -> None:
    before = _size(enforced.engine)

    done = attempt(*case.run)

    assert 0 == done.returncode, (done.stderr, _since(enforced.engine, before))
