# SPDX-License-Identifier: MIT
"""What `enforcer doctor` says of a kernel that gives everything."""

import itertools

import printed
import pytest

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.kernel import probe
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import EVENTS, OPS
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.readers.rules import RULE_KEYS
from enforcer.policy.store import load_text

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\n"


def answer_with(monkeypatch, less):
    """Let the kernel give everything but what is in *less*: what it gives instead, and why."""
    operations = []
    for op in abi.OPS:
        gives, why = less.get(op, (probe.PREVENTS, None))
        operations.append(probe.OperationSupport(op, gives, ("file_open",), why))
    report = probe.Report("6.12.1", Placement.HOOKS, tuple(operations), ())
    monkeypatch.setattr(probe, "examine", lambda: report)


@pytest.fixture(autouse=True)
def _kernel(monkeypatch):
    answer_with(monkeypatch, {})
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 0)
    monkeypatch.setenv("COLUMNS", "200")


def words_of(said):
    """Return what stands in the first column."""
    return [line.split()[0] for line in said.splitlines() if probe.PREVENTS in line.split()]


def document(capsys):
    main(["doctor", "--json"])
    return printed.document("doctor", capsys.readouterr().out)["operations"]


def test_the_table_has_what_rules_say_each_once(capsys):
    """By the words of policies, which the table of operations has; no name of the inside is among them."""
    assert Exit.OK == main(["doctor"])

    said = capsys.readouterr().out
    words = words_of(said)
    rows = sorted(OPERATION_TABLE.values(), key=lambda row: row.op)
    assert {word for row in rows for word in row.words} == set(words)
    assert len(set(words)) == len(words)
    events = [word.partition(".")[0] for word in words]
    assert len(set(events)) == len([event for event, _ in itertools.groupby(events)])
    assert {"exec", "file.write", "strict", "guard", "attempts", "lsm", "kprobe"} <= set(words)
    assert not {"file.fdRead", "file.nameGuard", "mount.guard", "point", "attempt"} & set(words)
    assert "Enforced at: LSM hooks." in said


def test_words_are_those_that_a_policy_takes():
    """An operation that a rule names, an event, or a key of a rule; and what records call a loaded program."""
    known = {*OPS, *EVENTS, *RULE_KEYS, "exec.loaded"}

    for row in OPERATION_TABLE.values():
        assert set(row.words) <= known, row.op


def test_the_document_says_the_same(capsys):
    """JSON has the words of the table, not those of the ABI."""
    main(["doctor"])
    words = words_of(capsys.readouterr().out)

    assert words == [each["operation"] for each in document(capsys)]


def test_what_comes_late_with_one_field_only_is_a_note(capsys, monkeypatch):
    """A rule without that field is not late."""
    late = {"EXEC_ARGV": (probe.KILLS_AFTER, "decided after the exec")}
    answer_with(monkeypatch, late)

    found = document(capsys)[0]

    assert ("exec", probe.PREVENTS) == (found["operation"], found["gives"])
    assert "with args: kill after, decided after the exec" == found["reason"]


def test_a_gap_in_one_part_is_a_gap_in_the_whole(capsys, monkeypatch):
    """Writing that is refused at opening only is not prevented."""
    answer_with(monkeypatch, {"OVERWRITE": (probe.NOTHING, "enf_append_mmap is not liked")})

    (found,) = [each for each in document(capsys) if each["operation"] == "file.write"]

    assert (probe.NOTHING, "enf_append_mmap is not liked") == (found["gives"], found["reason"])


def test_rules_are_asked_where_their_fields_say():
    """The notes of fields are about the operations at which such rules are decided."""
    by_field = {row.by_field: row.op for row in OPERATION_TABLE.values() if row.by_field}

    asked = {
        "args": "{exec: {}, match: {args: [{index: 1, equal: a}]}, action: kill}",
        "fileCapabilities": "{exec: {}, match: {fileCapabilities: true}, action: kill}",
    }
    assert asked.keys() == by_field.keys()
    for field, rule in asked.items():
        (policy,) = load_text(f"{HEAD}spec:\n  rules:\n  - {rule}\n", "p.yaml").policies
        assert {by_field[field]} == kernel_operations(policy.rules[0])
