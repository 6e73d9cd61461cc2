# SPDX-License-Identifier: MIT
"""From a session to a journal: everything that comes is written, what is lost is counted, it ends."""

import contextlib
import os

import attrs
import pytest
from reference.semantics import Access, Identity
from tapes import Tape, head

from enforcer.compiler import verify
from enforcer.compiler.recording import RECORDED, recording_image
from enforcer.kernel.image_map import ImageHead
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.workloads import Workload
from enforcer.workbench.replay.documents import read_losses, read_workloads
from enforcer.workbench.replay.journal import BlockKind, Journal, Writer
from enforcer.workbench.replay.lines import How
from enforcer.workbench.replay.recorder import Recorder, head_of, people
from enforcer.workbench.replay.replay import Replay


@attrs.define
class FakeSession:
    """A session whose records wait from the beginning."""

    batches: list[list[bytes]]
    late: list[bytes] = attrs.field(factory=list)
    lost: dict[str, int] = attrs.field(factory=dict)
    is_detached: bool = False
    left: int = 0
    _pipe: tuple[int, int] = attrs.field(factory=os.pipe)

    def __attrs_post_init__(self):
        os.write(self._pipe[1], b"x")

    def fileno(self):
        return self._pipe[0]

    def drain(self):
        if self.batches:
            return self.batches.pop(0)
        if self.is_detached and self.late:
            late, self.late = self.late, []
            return late
        return []

    def stats(self):
        return self.lost

    def detach(self):
        """End it: no more than a ring full waits then."""
        self.is_detached = True
        self.left, self.batches = len(self.batches), self.batches[:1]

    def close(self):
        for end in self._pipe:
            os.close(end)


@attrs.define
class FakeWorkloads:
    """Containers that change from look to look."""

    looks: list[tuple[Workload, ...]]

    def look(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def tape():
    """Return a hundred reads."""
    made = Tape()
    line = made.begin(How.FOUND, 0, Identity(exe=b"/sbin/init"))
    for number in range(100):
        path = f"/file-{number}".encode()
        made.access(line, Identity(exe=b"/bin/cat"), Access((Op.READ,), {Dim.PATH: path}))
    return made


def record(session, path, *, most=1 << 30, seconds=0.05):
    with (
        contextlib.closing(Writer.create(path)) as writer,
        contextlib.closing(session),
    ):
        writer.document(BlockKind.HEAD, head())
        return Recorder(session, writer, most).run(seconds, ready=lambda: None)


def test_everything_that_comes_is_written(tape, tmp_path):
    """Also what waits when the session has ended; lines and accesses have blocks of their own."""
    session = FakeSession([tape.lines, tape.accesses[:60]], late=tape.accesses[60:])

    done = record(session, tmp_path / "journal")

    assert session.is_detached
    assert (100, len(tape.lines), 0) == (done.accesses, done.lines, done.lost_accesses)
    assert "its time is over" == done.reason
    with contextlib.closing(Replay.open(tmp_path / "journal")) as replay:
        assert tape.accesses == list(replay.journal.records(BlockKind.ACCESSES))
        replay.run([], lambda *_: None)
        assert (100, True) == (replay.count, replay.losses([]).is_ended)
        assert b"/" == replay.lines.cgroups[1]


def test_losses_are_in_it(tape, tmp_path):
    """What found no room in the kernel is told by whoever reads the journal."""
    session = FakeSession([tape.accesses], lost={"LOST_ACTIVITY": 7, "LOST_DECISIONS": 2})

    done = record(session, tmp_path / "journal")

    assert (7, 2) == (done.lost_accesses, done.lost_lines)
    with contextlib.closing(Journal.open(tmp_path / "journal")) as journal:
        (lost,) = journal.documents(BlockKind.LOST, read_losses)
        assert (7, 2) == (lost["accesses"], lost["lines"])


def test_news_of_containers_is_in_it_once(tape, tmp_path):
    """Also what becomes known while it is recorded."""
    first, second, third = (
        Workload(cgroup, {"container.name": name})
        for cgroup, name in ((b"/a", None), (b"/b", (b"web",)), (b"/a", (b"db",)))
    )
    workloads = FakeWorkloads([(first, second), (second, third)])
    path = tmp_path / "journal"
    with (
        contextlib.closing(Writer.create(path)) as writer,
        contextlib.closing(FakeSession([])) as session,
    ):
        writer.document(BlockKind.HEAD, head())
        Recorder(session, writer, 1 << 30, workloads).run(0.5, ready=lambda: None)

    with contextlib.closing(Replay.open(path)) as replay:
        told = [
            [each["cgroup"] for each in document["workloads"]]
            for document in replay.journal.documents(BlockKind.WORKLOADS, read_workloads)
        ]
        assert [["/a", "/b"], ["/a"]] == told
        assert (third, second) == replay.coverage.workloads


def test_it_ends_at_its_size(tape, tmp_path):
    """And says so; what was written can be read."""
    session = FakeSession([list(tape.accesses) for _ in range(2000)])

    done = record(session, tmp_path / "journal", most=1 << 14, seconds=30)

    assert "size" in done.reason
    assert session.left
    with contextlib.closing(Journal.open(tmp_path / "journal")) as journal:
        assert journal.is_ended
        assert done.accesses == sum(1 for _ in journal.records(BlockKind.ACCESSES))


def test_the_image_records_what_was_asked_for():
    """One row that lets everything pass; all capabilities, or hooks would not ask."""
    everything = frozenset().union(*RECORDED.values())
    image = recording_image(everything, [SYSCALLS["keyctl"]])
    verify(image)
    found = ImageHead.of(image)

    assert {op for op in Op if found.ops >> op & 1} == everything | {Op.SYSCALL}
    assert ["keyctl"] == [call.name for call in found.calls]
    left_out = set(Op) - everything - {Op.FD_READ, Op.FD_WRITE, Op.SYSCALL, Op.POINT}
    left_out -= {Op.ATTEMPT}  # no operation: the kernel refused it
    assert not left_out, "an operation that no recording has"


def test_a_recording_says_what_it_is_of():
    """This machine, these operations, these processes, these users."""
    said, known = head_of([Op.READ], [SYSCALLS["keyctl"]]), list(people())

    assert (["READ"], ["keyctl"]) == (said["operations"], said["calls"])
    processes = [each for part in known for each in part.get("processes", ())]
    assert os.getpid() in [each["pid"] for each in processes]
    assert "root" == known[0]["users"]["0"]
