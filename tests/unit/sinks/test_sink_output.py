# SPDX-License-Identifier: MIT
"""What an output takes, hides and adds."""

import errno
import json
import os

import attrs
import pytest
from fakes import WALL_NS, denied, enricher, event, match, parent, record

from enforcer.events.types import Lost, Origin
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks import lines
from enforcer.sinks.backlog import Backlog
from enforcer.sinks.base import NotReadyError
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.ocsf import ocsf_line
from enforcer.sinks.output import Output
from enforcer.sinks.redaction import Redactor
from enforcer.sinks.rotation import Rotation
from enforcer.sinks.selection import Selection
from enforcer.sinks.spec import Common, FileOutput


@attrs.define
class Wire:
    """A transport whose reader can be asleep."""

    is_asleep: bool = False
    backlog: Backlog = attrs.field(factory=lambda: Backlog(5000))
    got: list[bytes] = attrs.field(factory=list)

    @property
    def dropped(self):
        return self.backlog.dropped

    @property
    def held(self):
        return self.backlog.held

    def append(self, message):
        self.backlog.append(message)

    def flush(self):
        if self.is_asleep:
            raise NotReadyError(0)
        while self.backlog:
            self.got.append(self.backlog.first())
            self.backlog.pop()

    def reopen(self):
        """Have no name."""

    def close(self):
        """Own nothing."""


def output(wire, **parts):
    return Output("test", json_line, wire, clock_ns=lambda: WALL_NS, **parts)


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), True),
        (Selection(actions=frozenset({"deny"})), True),
        (Selection(actions=frozenset({"allow", "kill"})), False),
        (Selection(policies=("web", "v?ult")), True),
        (Selection(policies=("VAULT",)), False),
        (Selection(operations=frozenset({"file"})), True),
        (Selection(operations=frozenset({"file.write"})), True),
        (Selection(operations=frozenset({"file.read", "exec"})), False),
        (Selection(severity="medium"), True),
        (Selection(severity="high"), False),
        (Selection(actions=frozenset({"deny"}), policies=("web",)), False),
    ],
)
def test_an_output_takes_what_it_selects(selection, wanted):
    """All parts of a selection must hold."""
    wire = Wire()
    out = output(wire, selection=selection)

    out.write(denied())
    out.flush()

    assert len(wire.got) == wanted


@pytest.mark.parametrize(
    ("wanted", "is_taken"),
    [("file.write", True), ("file.read", True), ("file", True), ("file.append", False)],
)
def test_an_access_of_two_operations_is_for_whoever_wants_one(wanted, is_taken):
    """A file that is opened for both is read and written, whichever of these the rule was on that decided."""
    both = denied(**{"op": Op.READ, "ops[0]": Op.READ, "ops[1]": Op.WRITE})

    assert is_taken == Selection(operations=frozenset({wanted})).wants(both)


def test_losses_are_told_to_everybody():
    """Nobody selects what is missing away."""
    wire = Wire()
    out = output(wire, selection=Selection(actions=frozenset({"kill"}), policies=("none",)))

    out.write(Lost(time_ns=WALL_NS, decisions=1))
    out.flush()

    assert len(wire.got) == 1


def test_what_an_output_could_not_take_is_told_in_it():
    """As soon as the rest has arrived, once."""
    wire = Wire(is_asleep=True)
    out = output(wire)
    for _ in range(10):
        out.write(denied())
    with pytest.raises(NotReadyError):
        out.flush()

    wire.is_asleep = False
    out.flush()
    out.flush()

    told = [json.loads(line) for line in wire.got]
    assert [d["kind"] for d in told] == ["match"] * (len(told) - 1) + ["lost"]
    assert told[-1]["dropped"] == out.dropped
    assert len(told) - 1 + out.dropped == 10


def test_delivery_makes_no_records_of_itself():
    """A rule that records messages must not record each record's way out, for ever."""
    wire = Wire()
    own = {"op": Op.SEND, "pid": os.getpid(), "family": 1}
    quiet, open_to_all = output(wire, is_quiet=True), output(wire)

    quiet.write(record(**own))
    quiet.write(record(**{**own, "pid": os.getpid() + 1}))
    quiet.write(record(op=Op.WRITE, pid=os.getpid()))
    open_to_all.write(record(**own))
    open_to_all.flush()

    assert len(wire.got) == 3


def test_a_record_that_no_line_can_be_made_of_costs_this_output_only():
    """It is counted, and told when the next ones have arrived."""
    wire = Wire()

    def form(record):
        if isinstance(record, Lost):
            return json_line(record)
        raise ZeroDivisionError

    out = Output("test", form, wire, clock_ns=lambda: WALL_NS)

    out.write(denied())
    out.flush()

    assert out.dropped == 1
    assert [json.loads(line)["dropped"] for line in wire.got] == [1]


@pytest.mark.parametrize(
    ("pattern", "args", "shown"),
    [
        ("--password=*", ["a", "--password=hunter2"], ["a", "--password=***"]),
        ("--token *", ["--token", "abc", "def"], ["--token", "***", "def"]),
        ("--token *", ["abc", "--token"], ["abc", "--token"]),
        ("*secret*", ["-c", "x secret=1 y"], ["-c", "***"]),
        ("-p?*", ["-phunter2", "-p"], ["-p***", "-p"]),
        ("hunter2", ["hunter2", "hunter22"], ["***", "hunter22"]),
        ("-u root:*", ["-u", "root:pw", "root:pw"], ["-u", "root:***", "root:pw"]),
        ("[-]*key=*", ["--key=1", "key=1"], ["***", "key=1"]),
    ],
)
def test_arguments_are_hidden_by_pattern(pattern, args, shown):
    """In the arguments of a new program and of those that run, and where the message quotes them."""
    words = [arg.encode() for arg in args]
    origin = Origin("p", "r", "p.yaml:1:1", message="ran {args}")
    seen = ProcessFacts(exe=b"/usr/bin/x", cmdline=tuple(words))
    given = record(
        origin=origin,
        identity=Identity(process=seen, ancestry=parent(cmdline=tuple(args))),
        op=Op.EXEC_ARGV,
        action=Verb.KILL,
        flags=3,
        name=b"".join(word + b"\0" for word in words),
        argc=len(words),
    )
    wire = Wire()
    out = output(wire, redactor=Redactor.of([pattern]))

    out.write(given)
    out.flush()

    document = json.loads(wire.got[0])
    assert document["object"]["args"] == shown
    assert document["process"]["cmdline"] == shown
    assert document["parent"]["cmdline"] == shown
    assert [each["cmdline"] for each in document["ancestors"]] == [shown]
    assert document["message"] == "ran " + " ".join(shown)
    assert [arg.decode() for arg in given.event.args] == args


@pytest.mark.parametrize("form", [json_line, ocsf_line])
def test_arguments_are_hidden_in_what_each_policy_says(form):
    """Also in the message of one that did not decide: its template is filled in again."""
    origins = (
        Origin("keep", "no-tools", "keep.yaml:3:1", message="refused {args}"),
        Origin("watch", "tools", "watch.yaml:4:1", message="{policy}: {action} {args}"),
    )
    given = enricher(*origins).enrich(
        event(
            op=Op.EXEC_ARGV,
            action=Verb.KILL,
            flags=3,
            name=b"x\0--key=hush\0",
            argc=2,
            n_matches=2,
            **{"match[0]": match(0, Op.EXEC_ARGV, Verb.KILL)},
            **{"match[1]": match(1, Op.EXEC_ARGV, Verb.LOG)},
        )
    )
    assert "watch: log x --key=hush" == given.said[1].message

    changed = Redactor.of(["--key=*"]).apply(given)

    assert ["refused x --key=***", "watch: log x --key=***"] == [m.message for m in changed.said]
    assert changed.message == changed.said[0].message
    assert b"hush" in form(given, {})
    assert b"hush" not in form(changed, {})
    assert b"watch: log x --key=***" in form(changed, {})


def test_bytes_that_are_no_text_survive_redaction():
    """What is not hidden is as it was."""
    given = record(op=Op.EXEC, name=b"\xff\xfe\0--key=\xff\0", argc=2)

    changed = Redactor.of(["--key=*"]).apply(given)

    assert changed.event.args == (b"\xff\xfe", b"--key=***")


def test_fields_are_added(tmp_path):
    """To JSON as an object of its own, to logfmt at the end of the line."""
    paths = {form: tmp_path / form for form in ("json", "logfmt")}
    for form, path in paths.items():
        common = Common(fields={"site": 'rack "7"'})
        out = FileOutput(path=path, form=form, common=common).open()
        out.write(denied())
        out.write(Lost(time_ns=WALL_NS, dropped=3))
        out.close()

    first, lost = map(json.loads, paths["json"].read_text().splitlines())
    assert first["fields"] == {"site": 'rack "7"'}
    assert lost["fields"] == {"site": 'rack "7"'}
    lines = paths["logfmt"].read_text().splitlines()
    assert all(line.endswith(r'site="rack \"7\""') for line in lines)
    assert " dropped=3 " in lines[1]


def numbers(path):
    return [json.loads(line)["object"]["target"] for line in path.read_text().splitlines()]


def test_a_log_is_rotated_at_its_size(tmp_path):
    """Whole lines, in order, and no more old logs than are to be kept."""
    path = tmp_path / "log"
    out = FileOutput(path=path, rotation=Rotation(size=3000, keep=2)).open()
    for number in range(12):
        out.write(denied(path=b"%d" % number))
        out.flush()
    out.close()

    files = [tmp_path / name for name in ("log.2", "log.1", "log")]
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in files}
    found = [number for file in files for number in numbers(file)]
    assert found == [str(number) for number in range(12)][-len(found) :]
    assert len(found) > 4


def test_a_log_that_cannot_be_rotated_grows(tmp_path, monkeypatch):
    """It is told by an error, and nothing is lost."""
    path = tmp_path / "log"
    out = FileOutput(path=path, rotation=Rotation(size=100)).open()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "rename", refuse)
    for number in range(3):
        out.write(denied(path=b"%d" % number))
        with pytest.raises(PermissionError):
            out.flush()

    assert numbers(path) == ["0", "1", "2"]
    out.close()
    assert out.dropped == 0


@pytest.fixture
def full_folder(tmp_path, monkeypatch):
    """A log with two old ones, in a folder where no new file can be made; and who permits it again."""
    path = tmp_path / "log"
    for number in (1, 2):
        (tmp_path / f"log.{number}").write_text(f"old {number}\n")
    out = FileOutput(path=path, rotation=Rotation(size=100, keep=3)).open()
    original = os.open

    def refuse(name, *rest):
        raise OSError(errno.EMFILE, "Too many open files", name)

    monkeypatch.setattr(lines.os, "open", refuse)
    yield out, path, lambda: monkeypatch.setattr(lines.os, "open", original)
    out.close()


def test_a_new_log_that_cannot_be_made_costs_no_old_one(full_folder):
    """It is renamed once, and grows until there can be a new one."""
    out, path, permit = full_folder
    for number in range(5):
        out.write(denied(path=b"%d" % number))
        with pytest.raises(OSError, match="Too many open files"):
            out.flush()
    permit()
    out.write(denied(path=b"5"))
    out.flush()

    folder = path.parent
    assert ["0", "1", "2", "3", "4", "5"] == numbers(folder / "log.1")
    assert ["old 1\n", "old 2\n"] == [(folder / f"log.{n}").read_text() for n in (2, 3)]
    assert "" == path.read_text()


def test_a_log_that_cannot_be_renamed_costs_no_old_one(tmp_path, monkeypatch):
    """Where the old ones can be: what is tried again moves them no further."""
    path = tmp_path / "log"
    for number in (1, 2):
        (tmp_path / f"log.{number}").write_text(f"old {number}\n")
    original = type(path).rename

    def refuse(name, target):
        if name == path:
            raise PermissionError(13, "Permission denied")
        return original(name, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    for _ in range(5):
        with pytest.raises(PermissionError):
            Rotation(size=1, keep=4).turn(path)

    assert ["old 1\n", "old 2\n"] == [(tmp_path / f"log.{n}").read_text() for n in (2, 3)]
