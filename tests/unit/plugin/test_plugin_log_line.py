# SPDX-License-Identifier: MIT
"""Lines of engines' logs, read back."""

import json

import header
import pytest
from fakes import BASH, denied, record
from synthetic import records

from enforcer.events.document import as_document
from enforcer.events.types import Lost, Origin
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.plugin.log_line import read_line
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import Op
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.logfmt import logfmt_line

HOSTILE = b'/srv/"x" pod_namespace="kube-system" \\n\n\x1b[2J\xff\xe2\x80\xae='
RECORDS = {
    "a denial": denied(),
    "a log of an exec": record(origin=BASH, path=b"/bin/sh", name=b"sh\0-c\0id\0", argc=3),
    "hostile names": denied(path=HOSTILE, exe=HOSTILE, comm=b'a" b="c'),
    "an address": denied(
        op=Op.CONNECT, path=b"", family=10, addr_hi=0x20010DB8 << 32, addr_lo=1, port=443
    ),
    "with an identity": record(identity=Identity(container=Container("containerd", "f" * 64))),
    "a system call": record(
        op=Op.SYSCALL, code=SYSCALLS["open"].number, name=b"/tmp/a b\0\0\0", argc=3, path=b""
    ),
    "a system call without strings": record(
        op=Op.SYSCALL, code=SYSCALLS["kill"].number, argc=2, path=b""
    ),
    "one for many": denied(repeats=41_233, time_ns=1_000, last_ns=5_000_001_000),
    "one for many processes": denied(repeats=1, flags=header.constant("ENF_EF_OTHERS")),
    "losses": Lost(time_ns=1_764_017_281_000_000_000, decisions=3, activity=4, malformed=5),
    "losses of an output": Lost(time_ns=1_764_017_281_000_000_000, dropped=7, reason='a "b"\n'),
}


@pytest.mark.parametrize("name", RECORDS)
def test_both_forms_say_the_same(name):
    """What an engine writes as JSON is shown as it would be as logfmt."""
    line = logfmt_line(RECORDS[name]).decode().rstrip("\n")

    of_logfmt = read_line(logfmt_line(RECORDS[name]))
    of_json = read_line(json_line(RECORDS[name]))

    assert line == of_logfmt.text
    assert line == of_json.text
    assert of_logfmt.fields == of_json.fields
    assert None is of_logfmt.record
    assert json.loads(json.dumps(as_document(RECORDS[name]))) == of_json.record


def test_records_of_all_kinds_say_the_same():
    """
    No key is left out, and each stands where logfmt has it.

    Those of system calls are made above: the made up ones have strings in the place of numbers.
    """
    made = [
        each for each in records(2_000) if isinstance(each, Lost) or each.event.op is not Op.SYSCALL
    ]

    lines = [logfmt_line(each).decode().rstrip("\n") for each in made]

    assert lines == [read_line(json_line(each)).text for each in made]
    for key in ("also", "repeats", "last_repeat", "repeated_by", "reason"):
        assert any(f" {key}=" in line for line in lines)


def test_what_processes_chose_begins_no_key():
    """A path that looks like a namespace is a path."""
    found = read_line(logfmt_line(denied(path=HOSTILE)))

    assert "" == found.namespace
    assert '/srv/"x" pod_namespace="kube-system" \\n\n\x1b[2J\\xff\u202e=' == found.fields["path"]
    assert found.text.isprintable()


def test_fields_that_an_administrator_adds_come_last():
    """They replace nothing."""
    found = read_line(logfmt_line(denied(), {"policy": "other", "site": "a b"}))

    assert ("vault", "a b") == (found.fields["policy"], found.fields["site"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"enforcer: following https://[::1]:6443 as node n",
        b"time=1",
        b'time="2025-01-01T00:00:00Z" policy="a" and more',
        b'time="2025-01-01T00:00:00Z" policy="a',
        b"{",
        b"[]",
        b'{"kind": "match"}',
        b'{"kind": "match", "object": null, "process": {}, "parent": {}}',
        b'{"kind": "lost", "time": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"{" * 100_000,
    ],
)
def test_what_is_no_record(raw):
    """Nothing of it is shown as one."""
    assert None is read_line(raw)


def test_losses_are_told_apart():
    """Whatever is filtered, they are not."""
    assert read_line(logfmt_line(RECORDS["losses"])).is_loss
    assert not read_line(logfmt_line(denied(origin=Origin("a", "b", "c")))).is_loss
