# SPDX-License-Identifier: MIT
"""Sessions on a kernel that enforces; elsewhere, that nothing is left behind."""

import errno
import json
import os
import select
import subprocess
from pathlib import Path

import header
import pytest
from kernel_images import image_for_everybody

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import entries, probe
from enforcer.kernel.lsm_support import find_problem
from enforcer.kernel.session import Session
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import BpfObject, Program

pytestmark = pytest.mark.kernel

ACTIONS = header.enumeration("enf_action", "ENF_ACT_")
DENY, LOG, KILL = ACTIONS["DENY"], ACTIONS["LOG"], ACTIONS["KILL"]


@pytest.fixture(scope="module")
def denying(lsm):
    """Return a session that lets nobody make a FIFO, which nobody else here does."""
    image = image_for_everybody("MKNOD", DENY, error=errno.EROFS, generation=5)
    with Session.open(image) as session:
        yield session


def test_without_lsm_the_refusal_is_a_sentence(bpf):
    """Where LSM programs are refused, a session is refused for that reason."""
    problem = find_problem()
    if problem is None:
        pytest.skip("this kernel calls LSM programs")

    with pytest.raises(UnsupportedError, match="LSM programs"):
        Session.open(image_for_everybody("MKDIR", DENY))
    assert not probe.examine().can_prevent


def test_denied_operation_does_not_happen(denying, tmp_path):
    """The error is the row's, and there is no FIFO; another operation is untouched."""
    with pytest.raises(OSError, match="Read-only") as caught:
        os.mkfifo(tmp_path / "refused")
    (tmp_path / "file").write_text("allowed")

    assert errno.EROFS == caught.value.errno
    assert [tmp_path / "file"] == list(tmp_path.iterdir())


def test_a_denial_is_counted_and_recorded(denying, tmp_path):
    """One refusal is one hit and one record, by generation and row."""
    while denying.drain():
        pass
    before = denying.hits()[0].enforced

    with pytest.raises(OSError, match="Read-only"):
        os.mkfifo(tmp_path / "refused")

    assert [denying.fileno()] == select.select([denying.fileno()], [], [], 5)[0]
    mine = [e for e in map(decoded, denying.drain()) if e["pid"] == os.getpid()]
    assert before + 1 <= denying.hits()[0].enforced
    assert [(5, 0, errno.EROFS)] == [(e["generation"], e["row"], abs(e["error"])) for e in mine]


def decoded(record):
    form, names = abi.decoder("enf_event")
    return dict(zip(names, form.unpack_from(record), strict=True))


def test_a_session_says_what_it_holds(denying):
    """Operations, counters and sizes are readable while active."""
    assert {"MKNOD": ("enf_path_mknod", "enf_layer_mknod")} == denying.operations
    assert 5 == denying.generation
    assert {*abi.STATS, "PASSED_BY"} == denying.stats().keys()
    assert denying.map_bytes()["decisions"] >= 1 << 12


def test_an_image_for_other_operations_loads_only_their_programs(lsm, tmp_path):
    """What is there stays as it is; what is new decides from the commit on, and not before."""
    others = loaded()
    with Session.open(image_for_everybody("SYMLINK", DENY, error=errno.EROFS)) as session:
        (tmp_path / "one").mkdir()
        (tmp_path / "one").rmdir()
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "link").symlink_to("one")
        before = loaded()

        session.commit(image_for_everybody("RMDIR", DENY, error=errno.EROFS, generation=2))

        more = loaded()
        assert before <= more
        assert {"enf_path_rmdir", "enf_layer_rmdir"} == {name for _, name in more - before}
        (tmp_path / "kept").mkdir()
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "kept").rmdir()
        (tmp_path / "link").symlink_to("one")  # the row of before has gone
        assert {"RMDIR": ("enf_path_rmdir", "enf_layer_rmdir")} == session.operations
        assert 0 == session.stats()["NO_CORE"]
    (tmp_path / "kept").rmdir()
    assert others == loaded()


def loaded():
    """Return the numbers and names of the engine's programs in the kernel."""
    said = subprocess.run(["bpftool", "prog", "list", "-j"], capture_output=True, check=True).stdout
    return {(e["id"], e["name"]) for e in json.loads(said) if e.get("name", "").startswith("enf_")}


def test_an_image_for_operations_that_cannot_be_loaded_changes_nothing(denying, monkeypatch):
    """A refusal by the kernel in the middle leaves what was active, and nothing half attached."""
    before, links = denying.operations, links_of_this_process()
    monkeypatch.setattr(Program, "attach", refuse)

    with pytest.raises(KernelError, match="not today"):
        denying.commit(image_for_everybody("RMDIR", DENY, generation=6))

    assert (before, 5) == (denying.operations, denying.generation)
    assert links == links_of_this_process()


def refuse(program):
    raise KernelError(f"not today: {program.name}", errno.ENOMEM)


def links_of_this_process():
    """Return how many links of BPF this process holds."""
    held = Path("/proc/self/fdinfo").iterdir()
    return sum("\nlink_id:" in entry.read_text() for entry in held if entry.exists())


def test_commit_replaces_the_active_image_and_close_ends_it(lsm, tmp_path):
    """A new image decides from the next operation on; after the end nothing does."""
    with Session.open(image_for_everybody("RMDIR", DENY, error=errno.EROFS)) as session:
        (tmp_path / "kept").mkdir()
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "kept").rmdir()

        session.commit(image_for_everybody("RMDIR", LOG, generation=2))

        (tmp_path / "kept").rmdir()
        assert (2, 0) == (session.generation, session.hits()[0].audited)
        assert 1 == session.hits()[0].enforced
        session.commit(image_for_everybody("RMDIR", DENY, error=errno.EROFS, generation=3))
        (tmp_path / "kept").mkdir()
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "kept").rmdir()
    (tmp_path / "kept").rmdir()
    session.close()

    assert [] == list(tmp_path.iterdir())


def test_kill_ends_the_process_before_the_effect(lsm, tmp_path):
    """A killed process has not done what it was killed for."""
    image = image_for_everybody("SYMLINK", KILL, signal=9)
    with Session.open(image):
        done = subprocess.run(["ln", "-s", "target", tmp_path / "link"], check=False)

    assert -9 == done.returncode
    assert [] == list(tmp_path.iterdir())


def test_of_two_programs_on_one_hook_the_later_runs_first(lsm, compiled):
    """Argv is matched before the label takes the new identity because its program comes later."""
    data = compiled("order")
    for names in (("order_plain", "order_sleepable"), ("order_sleepable", "order_plain")):
        with BpfObject.open(data, "order") as opened:
            opened.load()
            links = [opened.programs[name].attach() for name in names]
            subprocess.run(["true"], check=True)
            for link in links:
                link.close()
            turns = {
                name: int.from_bytes(calls.lookup(opened.maps["turns"].fd, index, 8), "little")
                for index, name in ((1, "order_plain"), (2, "order_sleepable"))
            }

        assert {names[1]: 1, names[0]: 2} == turns


def test_probe_finds_that_everything_is_prevented(lsm):
    """On a kernel that enforces, every operation is prevented, or killed before it begins."""
    report = probe.examine()

    late = {"EXEC_ARGV"} if entries.can_override() else {"EXEC_ARGV", "SYSCALL"}
    assert () == report.problems
    # Of the points that rules name, hooks can refuse, and tracepoints cannot.
    points = {o.words: o.gives for o in report.operations if o.op == "POINT"}
    assert (probe.PREVENTS, probe.KILLS_AFTER) == (points[("lsm",)], points[("tracepoint",)])
    others = {o.op for o in report.operations if o.gives != probe.PREVENTS and o.op != "POINT"}
    assert late | {"ATTEMPT"} == others
