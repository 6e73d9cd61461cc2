# SPDX-License-Identifier: MIT
"""Blocks of JSON that somebody else wrote: a right checksum, and not what belongs there."""

import json

import pytest
from reference.semantics import Access, Identity
from tapes import Tape, head

from enforcer.cli.main import main
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.workbench.replay.journal import BlockKind, Writer
from enforcer.workbench.replay.lines import How
from enforcer.workbench.replay.replay import Replay

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: v}
spec:
  rules:
    - {name: web, file: read, match: {path: /a, process: {container: {name: web}}}, action: deny}
    - {name: all, file: read, match: {path: /a}, action: deny}
"""
FOUND = {"pid": 1, "ticks": 0, "parent": 0, "name": "init", "exe": "/sbin/init", "cmdline": ["i"]}
WORKLOAD = {"cgroup": "/a", "facts": {"container.name": ["web"], "container.image": None}}
END = {"seconds": 1.0, "reason": "it was stopped"}
DEEP = b"[" * 100_000 + b"]" * 100_000
UNFIT = {
    BlockKind.WORKLOADS: (
        {},
        {"workloads": None},
        {"workloads": [1]},
        {"workloads": [{"cgroup": 1}]},
        {"workloads": [{"cgroup": "/a"}]},
        {"workloads": [WORKLOAD, {**WORKLOAD, "cgroup": None}]},
        {"workloads": [{**WORKLOAD, "cgroup": "\ud800"}]},
        {"workloads": [{**WORKLOAD, "cgroup": "/" + "a" * 70_000}]},
        {"workloads": [{**WORKLOAD, "facts": ["container.name"]}]},
        {"workloads": [{**WORKLOAD, "facts": {"container.name": "web"}}]},
        {"workloads": [{**WORKLOAD, "facts": {"container.name": [None]}}]},
        {"workloads": [{**WORKLOAD, "facts": {"container.name": ["\ud800"]}}]},
    ),
    BlockKind.LOST: (
        {"accesses": "x"},
        {"accesses": None},
        {"lines": -1},
        {"lines": 1 << 70},
        {"lines": 0.5},
        {"accesses": True},
    ),
    BlockKind.PEOPLE: (
        {"processes": {}},
        {"processes": [[]]},
        {"processes": [{**FOUND, "pid": "x"}]},
        {"processes": [{key: FOUND[key] for key in FOUND if key != "ticks"}]},
        {"processes": [{**FOUND, "cmdline": "i"}]},
        {"processes": [{**FOUND, "cmdline": ["\ud800"]}]},
        {"processes": [{**FOUND, "exe": 1}]},
        {"users": [1]},
        {"users": {"x": "root"}},
        {"users": {"9" * 5000: "root"}},
        {"users": {"0": None}},
    ),
    BlockKind.END: (
        {"seconds": "x"},
        {"seconds": None},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 10**4000},
    ),
}
HEADS = (
    {"wall": "x"},
    {"wall": None},
    {"wall": 1e300},
    {"wall": 1 << 70},
    {"began": [1]},
    {"began": -(1 << 70)},
    {"host": ["h"]},
    {"host": "\ud800"},
    {"machine": 1},
    {"operations": [["READ"]]},
    {"operations": "READ"},
    {"calls": {}},
    {"abi": None},
    {"format": "1"},
    {"format": [1] * 10},
    {"format": True},
)


def unfit():
    """Each block, with its kind."""
    for kind, blocks in UNFIT.items():
        for content in blocks:
            yield kind, json.dumps(content).encode()
    for kind in UNFIT:
        for raw in (DEEP, b"[]", b"null", b"{", b"\xff", b'{"a":' + b"9" * 5000 + b"}"):
            yield kind, raw


@pytest.fixture
def policy(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(POLICY)
    return str(file)


def written(path, blocks, **values):
    """Make a journal with *blocks*, whose checksums are right, and with one access that a rule denies."""
    tape = Tape()
    line = tape.begin(How.FOUND, 0, Identity(exe=b"/sbin/init"), pid=1)
    tape.access(line, Identity(exe=b"/bin/cat"), Access((Op.READ,), {Dim.PATH: b"/a"}))
    writer = Writer.create(path)
    writer.document(BlockKind.HEAD, head(**values))
    writer.records(BlockKind.LINES, tape.lines, 0, 9)
    writer.records(BlockKind.ACCESSES, tape.accesses, 0, 9)
    for kind, raw in blocks:
        writer._append(kind, 1, raw, 0, 0)
    writer.close()
    return str(path)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [pytest.param(kind, raw, id=f"{kind.name} {raw[:60]!r}") for kind, raw in unfit()],
)
def test_a_block_that_does_not_fit_is_damaged(kind, raw, policy, tmp_path, capsys):
    """It is left out and told, and the rest is decided."""
    end = () if kind is BlockKind.END else ((BlockKind.END, json.dumps(END).encode()),)
    journal = written(tmp_path / "journal", [(kind, raw), *end])

    assert 0 == main(["dry-run", "--replay", journal, policy, "--json"])

    found = json.loads(capsys.readouterr().out)
    assert "1 block and 0 records are damaged and were left out" in found["notes"]
    assert 1 == found["wouldDeny"]


@pytest.mark.parametrize("values", HEADS, ids=repr)
def test_a_head_that_does_not_fit_is_an_error(values, policy, tmp_path, capsys):
    """It says how everything else is to be read."""
    journal = written(tmp_path / "journal", (), **values)

    assert 2 == main(["dry-run", "--replay", journal, policy])

    said = capsys.readouterr().err
    assert f"{journal} cannot be read, as the block that says what was recorded is damaged" in said


def test_a_head_is_no_brackets(policy, tmp_path, capsys):
    """However many: they are no mistake of ours."""
    writer = Writer.create(tmp_path / "journal")
    writer._append(BlockKind.HEAD, 1, DEEP, 0, 0)
    writer.close()

    assert 2 == main(["dry-run", "--replay", str(tmp_path / "journal"), policy])
    assert "is damaged" in capsys.readouterr().err


def test_what_fits_is_read(policy, tmp_path, capsys):
    """All of it, and nothing is called damaged."""
    blocks = [
        (BlockKind.PEOPLE, {"users": {"0": "root"}}),
        (BlockKind.PEOPLE, {"processes": [FOUND, {**FOUND, "pid": 2, "cmdline": None}]}),
        (BlockKind.WORKLOADS, {"workloads": [WORKLOAD, {"cgroup": "/\udcff", "facts": {}}]}),
        (BlockKind.LOST, {"until": 9, "accesses": 3, "lines": 0}),
        (BlockKind.LOST, {"until": 9, "accesses": 4, "lines": 1}),
        (BlockKind.END, END),
    ]
    raw = [(kind, json.dumps(content).encode()) for kind, content in blocks]
    journal = written(tmp_path / "journal", raw)

    assert 0 == main(["dry-run", "--replay", journal, policy, "--json"])

    notes = json.loads(capsys.readouterr().out)["notes"]
    assert not [note for note in notes if "damaged" in note]
    assert any("7 operations were lost" in note for note in notes)


def test_a_block_is_damaged_once(tmp_path):
    """However often it is looked at."""
    raw = json.dumps({"accesses": "x"}).encode()
    replay = Replay.open(tmp_path / written(tmp_path / "journal", [(BlockKind.LOST, raw)]))

    assert [1, 1] == [replay.losses([]).damaged for _ in range(2)]
    replay.close()
