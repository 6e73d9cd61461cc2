# SPDX-License-Identifier: MIT
"""
What rules on system calls and on points of the kernel cost those that they do not name: nothing.

And what a rule costs in a container: what it costs on the host.

Needs a machine whose clock counts instructions (``tests/vm/run --icount``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import compiled
import ledger
import pytest
from patience import scaled
from pods import CGROUPS, Container

from enforcer.compiler import CompiledImage, Host, LocalHost, compile_policies
from enforcer.kernel.image_map import PlainImage
from enforcer.kernel.session import Session
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: cost}\nspec:\n  rules:\n"
NOBODY = "match: {process: {uid: 4242}}"
MEASURED = {"getppid", "open", "openat", "close", *LIFTED_SYSCALLS}
OTHERS = [name for name in SYSCALLS if name not in MEASURED][:200]
NEAR = 3  # instructions that a loop may differ by from one run to the next
TAKEN = 100  # and by image, whose hashes have another seed: a name may find its slot taken


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("cost") / "cost"
    compiled.place("cost", made)
    return made


def cost(program: Path, what: str) -> int:
    """Instructions of one."""
    return int(subprocess.check_output([program, what], timeout=scaled(120)))


@pytest.fixture(scope="module")
def bases(program) -> dict[str, int]:
    """Without any policy; the same again, or time is not instructions here."""
    found = {what: [cost(program, what) for _ in range(3)] for what in ("getppid", "open")}
    if any(max(several) - min(several) > NEAR for several in found.values()):
        pytest.skip(f"the clock does not count instructions: {found}")
    return {what: min(several) for what, several in found.items()}


@attrs.define
class Active:
    """A session, and the image that it decides by."""

    session: Session
    image: CompiledImage

    def change(self, text: str, host: Host | None = None) -> None:
        """Make *text* the policy: what the programs are that are loaded already, no start would tell more of."""
        number = self.image.generation + 1
        self.image = compile_policies(
            load_text(text, "cost.yaml"), host=host, generation=number, previous=self.image.labels
        )
        self.session.commit(PlainImage(self.image.image))


@contextmanager
def activated(text: str, host: Host | None = None) -> Iterator[Active]:
    ledger.keep()
    image = compile_policies(load_text(text, "cost.yaml"), host=host)
    with Session.open(PlainImage(image.image)) as session:
        yield Active(session, image)


def recording(*rules: str) -> str:
    return HEAD + "".join(f"    - {{{rule}, action: log}}\n" for rule in rules)


POINTS = ("task_prctl", "inode_mkdir", "socket_listen")
FEW = pytest.mark.parametrize("count", [0, 1], ids=["none", "one"])


def on_others(count: int) -> str:
    """Rules on other calls, so many, and on points that neither a call that is measured nor opening a file meets."""
    return recording(
        *(f"syscall: {name}, {NOBODY}" for name in OTHERS[:count]),
        *(f"lsm: {hook}, {NOBODY}" for hook in POINTS),
    )


@FEW
def test_with_few_rules_what_none_names_costs_nothing(program, bases, count):
    with activated(on_others(count)):
        found = {what: cost(program, what) - base for what, base in bases.items()}
    print(f"{count} rules on other calls: {found}")

    assert NEAR >= max(map(abs, found.values()))


def test_what_no_rule_names_costs_nothing(program, bases):
    """Neither a call nor a hook, however many others rules name, and though points are watched as well."""
    with activated(on_others(len(OTHERS))):
        found = {what: cost(program, what) - base for what, base in bases.items()}
    print(f"{len(OTHERS)} rules on other calls: {found}")

    assert NEAR >= max(map(abs, found.values()))


ONE, *MORE = [f"syscall: {name}, {NOBODY}" for name in ("getppid", *OTHERS[:199])]
POINT = f"lsm: file_open, {NOBODY}"


@pytest.fixture(scope="class")
def watching() -> Iterator[Active]:
    """Where rules name a call, and a hook that every open passes."""
    with activated(recording(ONE, *MORE, POINT)) as engine:
        yield engine


class TestNamed:
    """What rules name, and do not meet."""

    def test_a_call_that_rules_name_costs_little_more_with_many(self, program, bases, watching):
        """One that none of them meets: one rule on it, and 200 on it and others, found by bisection."""
        found = []
        for text in (recording(ONE), recording(ONE, *MORE)):
            watching.change(text)
            found.append(cost(program, "getppid") - bases["getppid"])
        print(f"getppid, named by a rule for another user, 1 and 200 rules: {found}")

        assert 0 < found[0] < 4000
        assert abs(found[1] - found[0]) < 400

    def test_a_point_that_rules_name_costs_little(self, program, bases, watching):
        """A hook that every open passes, for another user, and with an operand that is not met."""
        found = {}
        for what, match in {
            "another user": NOBODY,
            "another inode": "match: {args: [{index: 0, resolve: f_inode.i_ino, equal: 1}]}",
            "another path": "match: {args: [{index: 0, equal: /nothing/of/this/name}]}",
        }.items():
            watching.change(recording(f"lsm: file_open, {match}"))
            found[what] = cost(program, "open") - bases["open"]
        print(f"open and close, with a point on file_open: {found}")

        assert 0 < found["another user"] < 1000
        assert found["another inode"] < found["another path"] < 10000


def test_a_rule_on_programs_costs_an_open_one_call_of_a_hook(program, bases):
    """By which a program of an overlay is met under the name that it has in a layer."""
    rule = "{exec: {}, match: {path: /nothing/runs/this}, action: deny}"
    with activated(f"{HEAD}    - {rule}\n"):
        found = cost(program, "open") - bases["open"]
    print(f"open and close, with a rule on programs: {found}")

    assert 0 < found < 400


CONTAINER = Container("docker", "a", Path("cost"))
ENTER = f"""
echo $$ >{CONTAINER.cgroup}/cgroup.procs
exec unshare --mount --propagation private sh -ec '
    mount --rbind {CONTAINER.root} {CONTAINER.root}
    cd {CONTAINER.root}
    pivot_root . old
    exec /cost open /data/file'
"""


def allowing(selector: str, path: str) -> str:
    rule = f"{{file: read, match: {{path: {path}}}, action: allow}}"
    return HEAD.replace("  rules:\n", f"  selector: {selector}\n  rules: [{rule}]\n")


@pytest.fixture
def contained(program) -> Iterator[Path]:
    """The root of a container of Docker's, as the host sees it; its cgroup is there, too."""
    layers, root, cgroup = Path("/run/cost-layers"), CONTAINER.root, CONTAINER.cgroup
    for folder in ("image/data", "image/old", "upper", "work"):
        (layers / folder).mkdir(parents=True)
    for folder in (root, cgroup):
        folder.mkdir(parents=True)
    shutil.copy(program, layers / "image/cost")
    (layers / "image/data/file").write_text("content")
    told = f"lowerdir={layers}/image,upperdir={layers}/upper,workdir={layers}/work"
    subprocess.check_call(["mount", "-t", "overlay", "none", "-o", told, root])
    yield root
    subprocess.check_call(["umount", root])
    cgroup.rmdir()
    shutil.rmtree(layers)


def test_a_container_pays_what_the_host_pays(program, bases, contained):
    """To open a file that a rule allows, by the name that each has for it."""
    cgroup = os.fsencode("/" / CONTAINER.cgroup.relative_to(CGROUPS))
    known = Workload(cgroup, {"container.name": (b"measured",)}, os.fsencode(contained))
    host = LocalHost.read(workloads=(known,))
    file = str(contained / "data/file")
    cases = {
        "host": ("{uid: 0}", file, (program, "open", file)),
        "container": ("{container: {name: measured}}", "/data/file", ("sh", "-ec", ENTER)),
    }
    taken = {
        who: int(subprocess.check_output(argv, timeout=scaled(120)))
        for who, (*_, argv) in cases.items()
    }
    found = {}
    with activated(allowing("{uid: 4242}", file)) as engine:
        for who, (selector, path, argv) in cases.items():
            engine.change(allowing(selector, path), host)
            found[who] = int(subprocess.check_output(argv, timeout=scaled(120))) - taken[who]
            assert sum(row.enforced for row in engine.session.hits())
    print(f"open and close, allowed: {found}")

    assert 0 < found["container"] <= found["host"] * 1.05 + TAKEN
