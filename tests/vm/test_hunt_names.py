# SPDX-License-Identifier: MIT
"""
No sequence of steps on names gets around rules on files, as a search finds: ``hunt/names.c``.

Before there is an engine it reads, writes, runs and removes what is held.
"""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import compiled
import pytest
from engine import Engine, running
from hunt import campaign
from hunt.searcher import Searcher

_RULES = {
    "read": ("held/secret", "held/d/secret"),
    "write": ("held/data",),
    "exec": ("held/prog",),
}

_MARK = b"this program is FREE"


def _policy(base: Path) -> str:
    lines = ["apiVersion: enforcer/v1", "kind: EnforcerPolicy", "metadata: {name: hunt}"]
    lines += ["spec:", "  rules:"]
    for operation, names in _RULES.items():
        event = "exec: {}" if operation == "exec" else f"file: {operation}"
        lines += [f"  - name: {operation}", f"    {event}"]
        lines += [f"    match: {{path: [{', '.join(f'{base}/{name}' for name in names)}]}}"]
        lines += ["    action: {deny: {errno: EDOM}}"]
    return "\n".join(lines) + "\n"


def _fill(directory: Path, secret: str, program: Path) -> None:
    (directory / "d").mkdir(parents=True)
    for name, content in (("secret", secret), ("d/secret", secret), ("data", "good")):
        (directory / name).write_text(content)
        (directory / name).chmod(0o666)
    shutil.copy(program, directory / "prog")
    (directory / "prog").chmod(0o777)
    for each in (directory, directory / "d"):
        each.chmod(0o777)


@pytest.fixture(scope="module")
def searcher(scratch, tmp_path_factory) -> Iterator[Searcher]:
    """The searcher, in a world of its own."""
    base = scratch / "hunt"
    directory = tmp_path_factory.mktemp("hunt")
    program = directory / "hunt-names"
    compiled.place("hunt-names", program)
    secret = secrets.token_hex(16)
    _fill(base / "model/held", secret, program)
    held = program.read_bytes()
    assert held.count(_MARK) == 1
    (base / "model/held/prog").write_bytes(held.replace(_MARK, b"this program is HELD"))
    _fill(base / "model/free", "anything at all", program)
    (base / "model/work").mkdir()
    for each in (base, base / "model/work"):
        each.chmod(0o777)
    for name in ("held", "free", "work"):
        shutil.copytree(base / "model" / name, base / name)
    (base / "model").chmod(0o700)
    yield Searcher(program, (str(base), secret), directory)
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def control(searcher) -> None:
    """What it finds before there is an engine."""
    campaign.control(searcher, sequences=300, floor=20)


@pytest.fixture(scope="module")
def daemon(control, searcher, tmp_path_factory) -> Iterator[Engine]:
    policy = _policy(Path(searcher.arguments[0]))
    with running(policy, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def test_no_way_around_a_name_is_found(daemon, searcher) -> None:
    campaign.hunt(searcher, "names", success=0.001)
