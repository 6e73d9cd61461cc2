# SPDX-License-Identifier: MIT
"""Rules on arguments alone: whose exec it is changes as it begins, and policies change in the middle of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import fuse_server
import header
import pytest
from daemon import kernel_counts, until
from engine import Engine, running
from patience import scaled
from programs import RAN, Ended, Workshop
from starving import without_memory

ROOT = Path("/opt/enforcer-test-argv")
INSIDE, EVERYWHERE, MANY = ROOT / "inside", ROOT / "everywhere", ROOT / "many"
CONTAINER = Path(f"/sys/fs/cgroup/docker-{'ab' * 32}.scope")
EVIL, GOOD = "x>/dev/tcp/192.0.2.1/4", "x>/dev/null"
KILLED = Ended(-signal.SIGKILL, ran=False)
UNKNOWN = ("no_task", "argv_unknown")

# At an exec nothing but arguments is asked about, and some policy asks who is in a container.
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: inside}}
spec:
  selector: {{container: {{runtime: "*"}}}}
  rules:
    - exec: {{}}
      match: {{path: {INSIDE}, args: [{{index: any, contains: /dev/tcp/}}]}}
      action: kill
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: everywhere}}
spec:
  rules:
    - exec: {{}}
      match: {{path: {EVERYWHERE}, args: [{{index: any, contains: /dev/tcp/}}]}}
      action: kill
"""

# Each of two words meets half of the conditions that an operation may meet, and ten more.
HALF = header.constant("ENF_MAX_TOUCHED") // 2 + 10
WORDS = [letter * HALF for letter in "bc"]
MANY_CONDITIONS = "".join(
    f"""---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: {name}}}
spec:
  rules:
"""
    + "".join(
        f"    - {{exec: {{}}, match: {{path: {MANY}, args: [{{index: any, prefix: {word}}}]}}, action: {action}}}\n"
        for word in words
    )
    for name, action, words in (
        ("other", "kill", ["other"]),
        ("many", "log", [word[:end] for word in WORDS for end in range(1, HALF + 1)]),
    )
)

BEFORE = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: before}
spec:
  rules:
    - {exec: {}, match: {path: /none, args: [{index: any, equal: none}]}, action: kill}
"""

FORMS = {
    "the first program": 'exec "$@"',
    "the first program of a child": '"$@"; ended=$?; [ $ended != 137 ] || kill -KILL $$; exit $ended',
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    it = Workshop.open(ROOT)
    for program in (INSIDE, EVERYWHERE, MANY):
        it.program(program.name)
    CONTAINER.mkdir()
    yield it
    until(lambda: not (CONTAINER / "cgroup.procs").read_text())
    CONTAINER.rmdir()
    shutil.rmtree(ROOT)


def entering(shop: Workshop, form: str, *argv: str | Path) -> Ended:
    """Run *argv* in the cgroup of a container, which a shell of the host enters, as runtimes do."""
    enter = 'echo $$ > "$0/cgroup.procs"; '
    return shop.run("/bin/sh", "-c", enter + FORMS[form], CONTAINER, *argv)


@pytest.fixture(scope="module")
def controls(shop) -> list[Ended]:
    """What the attempts do while there is no policy."""
    entered = [entering(shop, form, INSIDE, EVIL) for form in FORMS]
    return [
        *entered,
        shop.run(INSIDE, EVIL),
        shop.run(EVERYWHERE, EVIL),
        shop.run(MANY, *WORDS),
    ]


@attrs.define
class Held:
    """An exec of a script that the kernel has begun, and whose first bytes it waits for."""

    folder: Path
    server: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes]

    @classmethod
    def begin(cls, name: str, interpreter: Path, argument: str) -> Held:
        folder = ROOT / name
        place = folder / "mounted"
        place.mkdir(parents=True)
        argv = [sys.executable, fuse_server.__file__, place, folder / "log"]
        server = subprocess.Popen([*argv, f"script={interpreter}"], stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert b"ready\n" == server.stdout.readline()
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$@"', place / "script", argument],
            env={**os.environ, "MARK": str(folder / "mark")},
        )
        until((folder / "asked").exists)
        return cls(folder, server, process)

    def ended(self) -> Ended:
        """Let it go on, and return how it ends."""
        (self.folder / "go").touch()
        code = self.process.wait(scaled(60))
        subprocess.run(["umount", self.folder / "mounted"], check=True)
        with self.server:
            self.server.wait(scaled(60))
        return Ended(code, ran=(self.folder / "mark").exists())


@pytest.fixture(scope="module")
def fuse(shop) -> None:
    subprocess.run(["modprobe", "-q", "fuse"], check=False)
    if not Path("/dev/fuse").exists():
        pytest.skip("this kernel has no FUSE")


def test_policies_that_change_in_the_middle_of_an_exec(shop, fuse, tmp_path):
    """Who called it is unknown then, and what is known of it decides: its arguments, and rules on everybody."""
    free = Held.begin("free", EVERYWHERE, EVIL).ended()
    with running(BEFORE, tmp_path):
        everywhere = Held.begin("everywhere-evil", EVERYWHERE, EVIL)
        other = Held.begin("everywhere-good", EVERYWHERE, GOOD)
        inside = Held.begin("inside-evil", INSIDE, EVIL)
        harmless = Held.begin("inside-good", INSIDE, GOOD)
    with running(POLICY, tmp_path):
        before = kernel_counts()
        ended = [held.ended() for held in (everywhere, other, inside, harmless)]
        after = kernel_counts()

    assert RAN == free
    assert [KILLED, RAN, KILLED, RAN] == ended
    assert after["no_task"] - before["no_task"] == 4
    assert after["on_error"] - before["on_error"] == 1


@pytest.fixture(scope="module")
def engine(shop, controls, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY + MANY_CONDITIONS, tmp_path_factory.mktemp("argv")) as it:
        yield it


@pytest.fixture
def uncounted(engine) -> Iterator[None]:
    """No decision of the test had to do without the caller or the arguments."""
    before = kernel_counts()
    yield
    after = kernel_counts()
    assert [before[name] for name in UNKNOWN] == [after[name] for name in UNKNOWN]


@pytest.mark.parametrize("form", FORMS)
def test_a_container_s_first_program(form, shop, controls, engine, uncounted):
    """Until that is run, what runs in the cgroup of a container counts as the host's."""
    assert [RAN] * 5 == controls

    assert entering(shop, form, INSIDE, EVIL) == KILLED
    assert entering(shop, form, EVERYWHERE, EVIL) == KILLED
    assert entering(shop, form, INSIDE, GOOD) == RAN


def test_a_program_that_is_run_by_who_was_there_before(shop, controls, engine, uncounted):
    """As this process was: what it runs becomes the host's with that exec."""
    assert [RAN] * 5 == controls

    assert shop.run(EVERYWHERE, EVIL) == KILLED
    assert shop.run(EVERYWHERE, GOOD) == RAN
    assert shop.run(INSIDE, EVIL) == RAN


def test_programs_for_which_there_is_no_memory(shop, controls, engine):
    """Nothing can be said of them, so they are killed: a rule on arguments would refuse on error."""
    before = kernel_counts()
    with without_memory("scratches"):
        starved = [shop.run(EVERYWHERE, GOOD), shop.run(EVERYWHERE, EVIL)]
    after = kernel_counts()

    assert [KILLED, KILLED] == starved
    assert after["no_scratch"] - before["no_scratch"] >= 2
    assert shop.run(EVERYWHERE, GOOD) == RAN


def test_more_conditions_than_an_operation_may_meet(shop, controls, engine):
    """What they say is unknown then, and a rule on other arguments refuses on error. That is counted."""
    assert [RAN] * 5 == controls
    before = kernel_counts()
    few = [shop.run(MANY, word) for word in WORDS]
    between = kernel_counts()
    many = shop.run(MANY, *WORDS)
    after = kernel_counts()

    assert [RAN, RAN] == few
    assert KILLED == many
    assert [between["overflow"] - before["overflow"], after["overflow"] - between["overflow"]] == [
        0,
        1,
    ]
