# SPDX-License-Identifier: MIT
"""
No sequence of steps on names gets around rules on files, as a search finds: ``hunt/names.c``.

Before there is an engine it reads, writes, runs and removes what is held. It has two worlds: one is of directories that
fold case.
"""

import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


_PLACES = ("plain", "folding")
_CASEFOLD = Path("/sys/fs/ext4/features/casefold")


def _policy(bases: Sequence[Path]) -> str:
    lines = ["apiVersion: enforcer/v1", "kind: EnforcerPolicy", "metadata: {name: hunt}"]
    lines += ["spec:", "  rules:"]
    for operation, names in _RULES.items():
        event = "exec: {}" if operation == "exec" else f"file: {operation}"
        lines += [f"  - name: {operation}", f"    {event}"]
        paths = ", ".join(f"{base}/{name}" for base in bases for name in names)
        lines += [f"    match: {{path: [{paths}]}}"]
        lines += ["    action: {deny: {errno: EDOM}}"]
        lines += ["    rateLimit: 1/s"]
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


def _searcher(base: Path, directory: Path) -> Searcher:
    """Return the searcher of a world below *base*, which is empty."""
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
    return Searcher(program, (str(base), secret), directory)


@contextmanager
def _folding(directory: Path) -> Iterator[Path | None]:
    """Have a directory that folds case, and so do those below it."""
    image, point = directory / "image", Path("/srv/hunt")  # which others may enter
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "casefold", image], check=True)
    subprocess.run(["modprobe", "-q", "loop"], check=False)
    done = subprocess.run(["mount", "-o", "loop", image, point], check=False)
    if done.returncode:
        point.rmdir()
        assert not _CASEFOLD.exists()
        yield None
        return
    base = point / "hunt"
    base.mkdir()
    subprocess.run(["chattr", "+F", base], check=True)
    yield base
    subprocess.run(["umount", point], check=True)
    point.rmdir()


@pytest.fixture(scope="module")
def searchers(scratch, tmp_path_factory) -> Iterator[Mapping[str, Searcher]]:
    """By place: a searcher in a world of its own."""
    base = scratch / "hunt"
    base.mkdir()
    found = {"plain": _searcher(base, tmp_path_factory.mktemp("plain"))}
    with _folding(tmp_path_factory.mktemp("image")) as folding:
        if folding:
            found["folding"] = _searcher(folding, tmp_path_factory.mktemp("folding"))
        yield found
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def control(searchers) -> None:
    """What they find before there is an engine."""
    for searcher in searchers.values():
        campaign.control(searcher, sequences=200, floor=5, share=20 / 300)


@pytest.fixture(scope="module")
def daemon(control, searchers, tmp_path_factory) -> Iterator[Engine]:
    policy = _policy([Path(searcher.arguments[0]) for searcher in searchers.values()])
    with running(policy, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.mark.parametrize("place", _PLACES)
def test_no_way_around_a_name_is_found(daemon, searchers, place) -> None:
    if place not in searchers:
        pytest.skip("this kernel folds no case")
    campaign.hunt(searchers[place], "names", success=0.001, share=1 / len(searchers))
