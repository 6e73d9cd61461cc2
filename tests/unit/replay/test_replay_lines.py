# SPDX-License-Identifier: MIT
"""How programs came to be: what conditions on parents and ancestors find in a recording."""

import contextlib

import pytest
from reference.semantics import Access, Identity
from tapes import Tape, access_event

from enforcer.compiler import BareHost, compile_policies
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op
from enforcer.policy.model.policy import Mode, Verb
from enforcer.policy.store import load_text
from enforcer.workbench.replay.candidate import Candidate
from enforcer.workbench.replay.journal import BlockKind, JournalError, Writer
from enforcer.workbench.replay.lines import How
from enforcer.workbench.replay.replay import RecordMaker, Replay

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  mode: audit
  rules:
    - {name: parent, file: read, match: {path: /x, parent: {binary: /bin/nginx}}, action: deny}
    - {name: ancestor, file: read, match: {path: /x, ancestors: {binary: /bin/bash}}, action: deny}
    - {name: inside, file: read, match: {path: /in}, action: kill}
    - {name: outside, file: read, match: {path: /out}, action: deny}
    - {name: seen, file: read, match: {path: /seen}, action: log}
"""
READ = Access((Op.READ,), {Dim.PATH: b"/x"})
INIT, NGINX, BASH, CAT = (
    Identity(exe=exe) for exe in (b"/sbin/init", b"/bin/nginx", b"/bin/bash", b"/bin/cat")
)


@pytest.fixture
def tape():
    """Return an empty recording."""
    return Tape()


def rules(tape, path, *, policy=POLICY):
    """Decide what *tape* has; returns the rules that decided, and the replay."""
    policies = load_text(policy, "p.yaml")
    assert all(p.mode is Mode.AUDIT for p in policies.policies)
    compiled = compile_policies(policies, host=BareHost())
    with contextlib.closing(Replay.open(tape.write(path / "journal"))) as replay:
        origins = [Origin(row.policy, row.rule, "") for row in compiled.rows]
        candidate = Candidate.of(compiled.image, origins, replay.lines)
        found = []

        def hear(access, said):
            record = RecordMaker(replay, candidate).record(access, said[0])
            found.append((origins[said[0].row].rule, said[0].on_error, record))

        replay.run([candidate], hear)
        losses = replay.losses([candidate])
    return found, losses


def test_fork_and_exec_make_parents_and_ancestors(tape, tmp_path):
    """As the kernel side keeps them."""
    init = tape.begin(How.FOUND, 0, INIT)
    forked = tape.begin(How.FORK, init, NGINX)
    tape.access(forked, CAT, READ)
    shell = tape.begin(How.EXEC, tape.begin(How.FORK, init, INIT), BASH)
    tape.access(shell, CAT, READ)
    tape.access(init, INIT, READ)

    found, losses = rules(tape, tmp_path)

    assert [("parent", False), ("ancestor", False)] == [each[:2] for each in found]
    assert 0 == losses.unknown_lines


def test_what_was_there_has_its_parent(tape, tmp_path):
    """The last record of a process that was found counts, whichever came first."""
    parent = tape.begin(How.FOUND, 0, INIT)
    child = tape.begin(How.FOUND, 0, INIT)
    tape.begin(How.FOUND, parent, NGINX, number=child)
    tape.access(child, CAT, READ)

    found, _ = rules(tape, tmp_path)

    assert ["parent"] == [rule for rule, _, _ in found]


def test_a_sibling_has_its_makers_parent(tape, tmp_path):
    """CLONE_PARENT."""
    nginx_child = tape.begin(How.FORK, tape.begin(How.FOUND, 0, INIT), NGINX)
    tape.access(tape.begin(How.SIBLING, nginx_child, BASH), CAT, READ)

    found, _ = rules(tape, tmp_path)

    assert ["parent"] == [rule for rule, _, _ in found]


def test_a_lost_beginning_falls_to_on_error_and_is_told(tape, tmp_path):
    """Nobody can say that its parent was none of those: deny, as the kernel side would."""
    lost = tape.begin(How.FORK, tape.begin(How.FOUND, 0, INIT), INIT)
    tape.lines.pop()
    tape.access(lost, CAT, READ)

    found, losses = rules(tape, tmp_path)

    assert [("parent", True)] == [each[:2] for each in found]
    assert 1 == losses.unknown_lines


def test_two_views_are_one_access_and_the_stricter_counts(tape, tmp_path):
    """The namespace's view is recorded first; it stays alone where the host has no name."""
    line = tape.begin(How.FOUND, 0, INIT)

    def view(path, time, flags=0, tid=7):
        access = Access((Op.READ,), {Dim.PATH: path}, flags=flags)
        return access_event(access, line=line, time_ns=time, tid=tid, **tape.who(CAT))

    inside = ObjectFlag.NSVIEW
    tape.accesses += [
        view(b"/in", 10, inside),
        view(b"/other", 10, tid=8),
        view(b"/out", 10),
        view(b"/nothing", 20, inside),
        view(b"/out", 20),
        view(b"/in", 30, inside),
        view(b"/out", 40, inside),
    ]

    found, _ = rules(tape, tmp_path)

    assert ["inside", "outside", "inside", "outside"] == [rule for rule, _, _ in found]
    assert b"/out" == found[0][2].event.path  # the host's name is the one that is recorded


def test_records_know_commands_and_ancestors(tape, tmp_path):
    """What ``/proc`` says of living processes, a recording knows of dead ones."""
    init = tape.begin(How.FOUND, 0, INIT)
    shell = tape.begin(How.FORK, init, BASH)
    argv = Access((Op.EXEC_ARGV,), {Dim.PATH: b"/bin/cat"}, (b"cat", b"/x"), 2)
    tape.access(shell, BASH, argv, tid=44)
    cat = tape.begin(How.EXEC, shell, BASH, tid=44)
    tape.access(cat, CAT, READ, tid=44, uid=0)

    found, _ = rules(tape, tmp_path)

    (rule, _, record) = found[-1]
    assert "ancestor" == rule
    assert ("cat", "/x") == record.process.cmdline
    assert "/bin/cat" == record.process.exe
    assert "/bin/bash" == record.ancestors[0].exe
    assert (Verb.DENY, False) == (record.event.action, record.event.is_enforced)


def test_another_version_is_refused(tape, tmp_path):
    """Its records have another layout."""
    with pytest.raises(JournalError, match="another version"):
        Replay.open(tape.write(tmp_path / "journal", abi="0" * 16))


def test_a_path_with_an_end_in_it_is_damaged(tape, tmp_path):
    """Nobody asks the system for such a file."""
    line = tape.begin(How.FOUND, 0, INIT)
    tape.access(line, CAT, Access((Op.READ,), {Dim.PATH: b"/seen"}))
    tape.access(line, CAT, Access((Op.READ,), {Dim.PATH: b"/seen\0"}))
    tape.access(line, Identity(exe=b"/bin/\0cat"), Access((Op.READ,), {Dim.PATH: b"/seen"}))

    found, losses = rules(tape, tmp_path)

    assert ["seen"] == [rule for rule, _, _ in found]
    assert 2 == losses.malformed


def test_damaged_records_are_counted(tape, tmp_path):
    """They cost themselves only."""
    line = tape.begin(How.FOUND, 0, INIT)
    tape.lines.append(b"short")
    tape.access(line, CAT, Access((Op.READ,), {Dim.PATH: b"/seen"}))
    tape.accesses += [b"short", tape.accesses[0][:-3]]

    found, losses = rules(tape, tmp_path)

    assert ["seen"] == [rule for rule, _, _ in found]
    assert 3 == losses.malformed


def test_losses_are_summed_up(tape, tmp_path):
    """What the recorder counted is told by the replay."""
    path = tmp_path / "journal"
    tape.write(path, end=False)
    writer = Writer(path.open("ab", buffering=0), path.stat().st_size)
    for lost in (3, 4):
        writer.document(BlockKind.LOST, {"until": 1, "accesses": lost, "lines": 1})
    writer.close()

    with contextlib.closing(Replay.open(path)) as replay:
        replay.run([], lambda *_: None)
        losses = replay.losses([])

    assert (7, 2, False) == (losses.accesses, losses.lines, losses.is_ended)
