# SPDX-License-Identifier: MIT
"""
The decision core, which is loaded once and put in its place in every hook.

There is no moment at which a hook is attached and the core is not: not at a start, a change, a stop, a
crash. Who takes the core away all the same finds that hooks refuse.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import ledger
import pytest
from attempter import scripted
from daemon import PINS, leftovers, until

from enforcer.compiler import CompiledImage
from enforcer.errors import KernelError
from enforcer.kernel import pin_store
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.session import Session
from enforcer.libbpf import calls
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.compilation import prepare

ROOT = Path("/opt/enforcer-test-core")
HERE = Path(__file__).parent
# Linux 7.x goes through the callbacks of loops more often: the core takes it two fifths more.
RELEASE = tuple(map(int, platform.release().split(".")[:2]))
NOTHING = {"programs": [], "links": [], "pins": []}
READ = "file: read, match: {path: %s}, action: deny" % (ROOT / "secret")


def policy(directory: Path, *rules: str, name: str = "core") -> Path:
    """Write a policy file with *rules*."""
    file = directory / f"{name}.yaml"
    lines = "".join(f"    - {{{rule}}}\n" for rule in rules)
    head = f"apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: {name}}}\nspec:\n"
    file.write_text(f"{head}  rules:\n{lines}")
    return file


def image(file: Path, generation: int = 1) -> CompiledImage:
    """Compile a policy file, to be loaded."""
    ledger.keep()
    return prepare(load_policies([file]), generation=generation)


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    """Files that anybody may read without policies."""
    ROOT.mkdir(parents=True, exist_ok=True)
    for name in ("plain", "secret"):
        (ROOT / name).write_text("content")
        assert "content" == (ROOT / name).read_text()
    yield ROOT
    for file in ROOT.iterdir():
        file.unlink()
    ROOT.rmdir()


@attrs.define
class Somebody:
    """Who tries all the while; what came of it is known when the block has ended."""

    process: subprocess.Popen[str]
    counts: dict[str, dict[str, int]] = attrs.field(factory=dict)


@contextmanager
def somebody() -> Iterator[Somebody]:
    """Let somebody try; nothing that no rule forbids is ever refused to them."""
    # It never rests: whoever starts and stops meanwhile goes first.
    argv = ["nice", *scripted(str(HERE / "core_attempts.py"), str(ROOT))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "begun\n" == process.stdout.readline()
        it = Somebody(process)
        try:
            yield it
        finally:
            process.terminate()
            it.counts.update(json.loads(process.stdout.read()))
    assert 0 == it.counts["plain"]["refused"]
    assert 0 == it.counts["made"]["refused"]
    assert it.counts["plain"]["done"] > 20


def is_refused() -> bool:
    """Whether the file that a rule is about may not be read."""
    try:
        os.close(os.open(ROOT / "secret", os.O_RDONLY))
    except PermissionError:
        return True
    return False


def test_it_is_verified_once(tmp_path):
    """However many hooks there are: what each adds is its own few instructions."""
    names = ("unlink", "mkdir", "rmdir", "symlink", "chmod", "chown", "truncate", "rename")
    rules = [f"file: {name}, match: {{path: {ROOT}/secret}}, action: deny" for name in names]
    with Session.open(image(policy(tmp_path, READ, *rules))) as session:
        taken = {
            program.name: calls.verified_instructions(program.fd)
            for program in session._engine.programs
            if program.fd >= 0
        }
    hooks = {n: t for n, t in taken.items() if n.startswith(("enf_path_", "enf_file_"))}

    assert {"enf_core", "enf_core_prefilter"} <= taken.keys()
    assert len(hooks) >= len(names)
    assert all(count < 8_000 for count in hooks.values()), hooks  # the core is a hundred thousand
    assert sum(taken.values()) < (350_000 if RELEASE < (7, 0) else 400_000), taken


def test_without_it_a_hook_refuses(tmp_path):
    """It cannot decide, and nobody knows what the policies say: fails closed, counted, and says so."""
    (ROOT / "kept").write_text("")
    with Session.open(
        image(policy(tmp_path, READ, f"file: rename, match: {{path: {ROOT}/x}}, action: deny"))
    ) as it:
        (ROOT / "other").write_text("")
        (ROOT / "other").rename(ROOT / "another")
        (ROOT / "another").unlink()
        assert 0 == it.stats()["NO_CORE"]
        links = it._engine.links._links
        (taken,) = (one for one in links if "enf_core-enf_path_rename" == one.program)

        taken.close()

        with pytest.raises(PermissionError):
            (ROOT / "kept").rename(ROOT / "moved")
        assert (ROOT / "kept").exists()
        assert it.stats()["NO_CORE"] >= 1
        assert is_refused()  # other hooks have it
        (ROOT / "plain").read_bytes()
    (ROOT / "kept").unlink()


def test_nobody_puts_another_in_its_place(tmp_path):
    """The kernel takes one extension of a function at a time."""
    with Session.open(image(policy(tmp_path, READ))) as it:
        programs = {p.name: p for p in it._engine.programs if p.fd >= 0}
        number = it._engine.first.function("enf_ask")

        with pytest.raises(OSError, match="enf_core") as caught:
            programs["enf_core"].replace_in(programs["enf_path_unlink"], number)

    assert errno.EBUSY == caught.value.errno


def test_starts_changes_and_stops_refuse_nothing_else(tmp_path):
    """Hooks come after the core and go before it."""
    with somebody() as it, Session.open(image(policy(tmp_path, READ))) as session:
        assert is_refused()
        wider = policy(tmp_path, READ, f"file: mkdir, match: {{path: {ROOT}/x}}, action: deny")
        session.commit(image(wider, generation=2))
        assert is_refused()
        time.sleep(0.2)  # somebody is nice, and tries while everybody else rests
    assert it.counts["secret"]["refused"] > 0
    assert it.counts["secret"]["done"] > 0
    assert NOTHING == leftovers()


def holder(compiled: CompiledImage) -> int:
    """Fork a process that has activated *compiled*, and nothing of it pinned."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            with Session.open(compiled):
                os.write(writing, b"x")
                signal.pause()
        finally:
            os._exit(1)
    os.close(writing)
    begun = os.read(reading, 1)
    os.close(reading)
    assert b"x" == begun
    return process


def test_a_crash_without_pins_refuses_nothing_else(tmp_path):
    """The kernel closes what a killed process had: hooks before the core."""
    compiled = image(policy(tmp_path, READ))
    with somebody() as it:
        for _ in range(2):
            process = holder(compiled)
            assert is_refused()
            time.sleep(0.2)  # somebody is nice, and tries while everybody else rests
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            until(lambda: not is_refused())
            until(lambda: not leftovers()["links"])
    assert it.counts["secret"]["refused"] > 0


def test_what_a_lost_daemon_left_ends_without_a_refusal(tmp_path):
    """By the command that clears it, which releases hooks first."""
    with closing(PinStore.open()) as store:
        Session.open(image(policy(tmp_path, READ)), pins=store.create(), states={1: b"x"}).leave()
    with somebody() as it:
        assert is_refused()
        assert 1 == pin_store.clear()
        assert not is_refused()
    assert it.counts["secret"]["refused"] > 0
    assert NOTHING == leftovers()


def test_pins_that_are_removed_by_hand_refuse_nothing_else(tmp_path):
    """``rm -r`` on what a lost daemon left: the kernel lists the newest first, which are the hooks."""
    with closing(PinStore.open()) as store:
        session = Session.open(image(policy(tmp_path, READ)), pins=store.create(), states={1: b"x"})
    with somebody() as it:
        assert is_refused()
        assert 0 == subprocess.run(["rm", "-r", str(PINS)], check=False).returncode
        # Whoever has it still enforces, and is told why the next change fails.
        with pytest.raises(KernelError, match=str(PINS)):
            session.commit(image(policy(tmp_path, READ), generation=2), states={2: b"y"})
        assert is_refused()
        session.leave()
        until(lambda: not is_refused())
        until(lambda: not leftovers()["links"])
    assert it.counts["secret"]["refused"] > 0


def test_names_that_go_with_their_file_system_refuse_nothing_else(tmp_path):
    """The kernel then releases everything at once, in workers: hooks may be left without the core."""
    place = tmp_path / "bpf"
    place.mkdir()
    assert 0 == subprocess.run(["mount", "-t", "bpf", "bpf", str(place)], check=False).returncode
    with closing(PinStore.open(place / "enforcer")) as store:
        Session.open(image(policy(tmp_path, READ)), pins=store.create(), states={1: b"x"}).leave()
    with somebody() as it:
        assert is_refused()
        assert 0 == subprocess.run(["umount", str(place)], check=False).returncode
        until(lambda: not is_refused())
        until(lambda: not leftovers()["links"])
    assert it.counts["secret"]["refused"] > 0
