# SPDX-License-Identifier: MIT
"""What was done before, and in which container: what a recording knows of it, and when it does not."""

import contextlib

import pytest
from reference.semantics import Access, Identity
from tapes import Tape, access_event

from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op
from enforcer.policy.model.workloads import Workload
from enforcer.workbench.replay.candidate import Candidate
from enforcer.workbench.replay.coverage import UndecidableError, describe
from enforcer.workbench.replay.journal import BlockKind, Writer
from enforcer.workbench.replay.lines import How
from enforcer.workbench.replay.replay import RecordMaker, Replay

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  rules:
    - {name: sets, file: read, match: {path: /set}, mark: {name: m, of: SCOPE}}
    - {name: asks, file: read, match: {path: /ask, within: {mark: m, last: 1s}}, action: deny}
    - {name: free, file: read, match: {path: /ask}, action: log}
"""
BASH = Identity(exe=b"/bin/bash")
SECOND = 1_000_000_000
SET, ASK = (Access((Op.READ,), {Dim.PATH: path}) for path in (b"/set", b"/ask"))


@pytest.fixture
def tape():
    """Return an empty recording."""
    return Tape()


def decide(tape, folder, policy, workloads=(), **head):
    """Let *policy* decide what *tape* has; returns what was said with the replay's coverage."""
    rules = folder / "p.yaml"
    rules.write_text(policy)
    path = tape.write(folder / "journal", **head)
    writer = Writer(path.open("ab", buffering=0), path.stat().st_size)
    for each in workloads:
        writer.document(BlockKind.WORKLOADS, describe(each))
    writer.close()
    with contextlib.closing(Replay.open(path)) as replay:
        candidate = Candidate.load([rules], replay.lines, replay.coverage)
        maker, found = RecordMaker(replay, candidate), []

        def hear(access, said):
            found.append(maker.record(access, said[0]))

        replay.run([candidate], hear)
    return found, replay.coverage


def rules(tape, folder, scope):
    """The rules that decided, with marks of *scope*."""
    found, _ = decide(tape, folder, POLICY.replace("SCOPE", scope))
    return [record.origin.rule for record in found]


def begin(tape, how, origin, who=BASH):
    """Something begins just now."""
    tape.now += 1
    return tape.begin(how, origin, who, time_ns=tape.now)


def test_a_process_keeps_its_marks_over_exec_and_its_child_has_none(tape, tmp_path):
    """And nobody has them before."""
    shell = tape.begin(How.FOUND, 0, BASH)
    before = begin(tape, How.FORK, shell)
    tape.access(shell, BASH, ASK)
    tape.access(shell, BASH, SET)
    tape.access(begin(tape, How.FORK, shell), BASH, ASK)
    tape.access(before, BASH, ASK)
    program = begin(tape, How.EXEC, begin(tape, How.EXEC, shell))
    tape.access(program, BASH, ASK)

    assert ["free", "free", "free", "asks"] == rules(tape, tmp_path, "process")


def test_a_tree_has_the_marks_from_before_the_fork(tape, tmp_path):
    """Descendants from before the deed have them not."""
    shell = tape.begin(How.FOUND, 0, BASH)
    before = begin(tape, How.FORK, shell)
    tape.access(shell, BASH, SET)
    child = begin(tape, How.FORK, shell)
    grandchild = begin(tape, How.FORK, begin(tape, How.EXEC, child))
    for each in (before, child, grandchild):
        tape.access(each, BASH, ASK)

    assert ["free", "asks", "asks"] == rules(tape, tmp_path, "tree")


def test_a_container_is_what_the_kernel_said_it_is(tape, tmp_path):
    """Cgroups below are the same one."""
    line = tape.begin(How.FOUND, 0, BASH)
    unit, below, other = (
        Identity(exe=b"/bin/bash", cgroup=path) for path in (b"/u", b"/u/below", b"/other")
    )
    for who, container in ((unit, 1), (below, 1), (other, 3)):
        tape.cgroup(who.cgroup, container)
    tape.access(line, below, SET)
    for who in (unit, below, other):
        tape.access(line, who, ASK)

    assert ["asks", "asks", "free"] == rules(tape, tmp_path, "container")


def test_outside_of_containers_the_process_has_the_mark(tape, tmp_path):
    """In whatever cgroup it is by then; nobody else in its cgroup has it, nor a child."""
    line, neighbour = (tape.begin(How.FOUND, 0, BASH) for _ in range(2))
    shelf, unit = (Identity(exe=b"/bin/bash", cgroup=path) for path in (b"/s.slice", b"/u"))
    tape.cgroup(shelf.cgroup, 0)
    tape.cgroup(unit.cgroup, 2)
    tape.access(line, shelf, SET)
    child = begin(tape, How.FORK, line)
    program = begin(tape, How.EXEC, line)
    for each, who in (
        (line, shelf),
        (line, unit),
        (program, shelf),
        (neighbour, shelf),
        (neighbour, unit),
        (child, shelf),
    ):
        tape.access(each, who, ASK)

    expected = ["asks", "asks", "asks", "free", "free", "free"]
    assert expected == rules(tape, tmp_path, "container")


def test_a_mark_of_the_host_is_everybodys_and_ends(tape, tmp_path):
    """Both ends of the time belong to it, and the record says how old it was."""
    first, second = (tape.begin(How.FOUND, 0, BASH) for _ in range(2))
    tape.access(first, BASH, SET)
    began = tape.now
    for later in (SECOND, SECOND + 1):
        tape.access(second, BASH, ASK, time_ns=began + later)

    found, _ = decide(tape, tmp_path, POLICY.replace("SCOPE", "host"))

    assert ["asks", "free"] == [record.origin.rule for record in found]
    assert (began, 0, 0, 0) == found[0].event.mark_at
    assert () == found[1].event.mark_at


def test_a_view_that_stays_alone_keeps_its_place(tape, tmp_path):
    """What others did behind it waits, so that its mark is there before."""
    line = tape.begin(How.FOUND, 0, BASH)
    alone = access_event(
        Access((Op.READ,), {Dim.PATH: b"/set"}, flags=ObjectFlag.NSVIEW),
        line=line, time_ns=10, tid=7, **tape.who(BASH),
    )  # fmt: skip
    tape.accesses.append(alone)
    tape.access(tape.begin(How.FOUND, 0, BASH), BASH, ASK, tid=8)
    tape.access(line, BASH, ASK, tid=7)

    assert ["asks", "asks"] == rules(tape, tmp_path, "host")


def test_marks_by_what_was_not_recorded_are_refused(tape, tmp_path):
    """The sentence names both rules with their places, and what is missing."""
    tape.access(tape.begin(How.FOUND, 0, BASH), BASH, ASK)
    policy = POLICY.replace("file: read, match: {path: /set}", "network: connect")

    with pytest.raises(UndecidableError) as refused:
        decide(tape, tmp_path, policy.replace("SCOPE", "host"), operations=["READ"])

    said = str(refused.value)
    assert "rule 'asks' at " in said
    assert "p.yaml:8:" in said
    assert "the mark p/m, which rule 'sets' at " in said
    assert "(network.connect)" in said


def test_marks_by_calls_that_were_not_recorded_are_refused(tape, tmp_path):
    """A recording has the calls that were asked for."""
    policy = POLICY.replace("file: read, match: {path: /set}", "syscall: personality")
    tape.access(tape.begin(How.FOUND, 0, BASH), BASH, ASK)

    with pytest.raises(UndecidableError, match="personality"):
        decide(tape, tmp_path, policy.replace("SCOPE", "host"))


# ---- Containers -----------------------------------------------------------------------------------

CONTAINERS = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  rules:
    - name: image
      file: read
      match: {path: /ask, process: {container: {image: app}}}
      action: deny
"""
CGROUPS = {letter: f"/system.slice/docker-{letter * 64}.scope".encode() for letter in "abcd"}


def contained(letter, *image):
    """What is known of a container."""
    return Workload(
        CGROUPS[letter], {"container.id": (letter.encode() * 64,), "container.image": image or None}
    )


def test_containers_are_those_of_the_recording(tape, tmp_path):
    """What is not known, or became something else, falls to onError; what became known counts."""
    line = tape.begin(How.FOUND, 0, BASH)
    for letter in "abcd":
        tape.access(line, Identity(exe=b"/bin/cat", cgroup=CGROUPS[letter]), ASK)
    tape.access(line, BASH, ASK)
    told = [
        [contained("a"), contained("b", b"other")],
        [contained("a", b"app"), contained("d", b"app")],
        [contained("d", b"other")],
    ]

    found, coverage = decide(tape, tmp_path, CONTAINERS, told)

    by = {record.container_id[0]: bool(record.event.flags) for record in found}
    assert {"a": False, "c": True, "d": True} == by
    assert {"app"} == {r.container_image for r in found if r.container_id[0] == "a"}
    assert {CGROUPS["c"].decode()} == coverage.strangers
    assert {CGROUPS["d"].decode()} == coverage.changed
