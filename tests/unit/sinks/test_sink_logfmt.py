# SPDX-License-Identifier: MIT
"""logfmt lines."""

import functools
import operator
import re

import attrs
import pytest
from fakes import BASH, WALL_NS, denied, record
from hypothesis import given
from hypothesis import strategies as st

from enforcer.events.types import Attempt, EventFlag, Lost, Match, Origin, PolicyMatch, RowFlag
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.logfmt import KEYS, logfmt_line, quoted

_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: |$)')


def pairs(line: str) -> dict[str, str]:
    """Read a line as a strict reader would: pairs, one space between, nothing else."""
    assert line.endswith("\n")
    line = line[:-1]
    assert "".join(m[0] for m in _PAIR.finditer(line)) == line
    return {m[1]: m[2] for m in _PAIR.finditer(line)}


def test_a_match_has_the_form_of_the_article():
    """The first fields are those that readers of the article expect, in their order."""
    line = logfmt_line(record(path=b"/bin/bash")).decode()

    assert line.startswith(
        'time="2025-11-24T20:48:01.123456Z" level=info '
        'msg="Suspicious /bin/bash execution detected in pod - (namespace -)" '
        'pid=12345 proc_name="sh" syscall=execve parent_pid=6789 parent_proc_name="kubectl" '
    )


def test_further_fields_of_a_denial():
    """Policy, rule, action and object follow."""
    found = pairs(logfmt_line(denied()).decode())

    assert {
        "level": "warning", "policy": '"vault"', "rule": '"no-writes"', "action": "deny",
        "op": "file.write", "path": '"/srv/vault/secret"', "enforced": "true",
        "prevented": "true", "errno": "EPERM", "exe": '"/usr/bin/tee"',
    }.items() <= found.items()  # fmt: skip
    assert "signal" not in found


def test_a_kill_names_the_signal():
    """A kill has both errno and signal."""
    found = pairs(logfmt_line(denied(action=Verb.KILL, signal=9)).decode())

    assert ("SIGKILL", "EPERM", "kill") == (found["signal"], found["errno"], found["action"])


def test_network_fields():
    """Address and port are one field."""
    found = pairs(
        logfmt_line(record(op=Op.CONNECT, addr_lo=0xFFFF_0A00_0001, port=443, family=2)).decode()
    )

    assert found["address"] == '"10.0.0.1:443"'
    assert found["syscall"] == "connect"


def test_every_key_is_kept_from_added_fields():
    """Else a line could have one twice; and no other name is kept from anybody."""
    every = denied(action=Verb.KILL, signal=9, repeats=2, last_ns=2_000)
    event = attrs.evolve(
        every.event,
        attempt=Attempt(257, 13, (Op.WRITE,)),
        flags=functools.reduce(operator.or_, EventFlag),
        row_flags=functools.reduce(operator.or_, RowFlag),
        args=(b"tee",),
    )
    match = PolicyMatch(match=Match(1, Op.WRITE, Verb.DENY), origin=every.origin, message="")
    names = dict.fromkeys(("container_id", "container_name", "pod_name", "pod_namespace"), "a")
    every = attrs.evolve(every, event=event, said=(match,), **names)
    lines = [
        logfmt_line(every),
        logfmt_line(record(name=b"user.a", op=Op.SETXATTR)),
        logfmt_line(record(op=Op.CONNECT, addr_lo=0xFFFF_0A00_0001, port=443, family=2)),
        logfmt_line(Lost(time_ns=WALL_NS, decisions=1, dropped=1, reason="why")),
    ]

    assert set().union(*(pairs(line.decode()) for line in lines)) == KEYS


def test_a_loss_is_a_line():
    """Missing records are told in the same log."""
    found = pairs(logfmt_line(Lost(time_ns=WALL_NS, decisions=1, activity=2)).decode())

    assert ("1", "2", "0") == (
        found["lost_decisions"], found["lost_activity"], found["malformed"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", '"a b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("new\nline", r'"new\nline"'),
        ("back\\n", r'"back\\n"'),
        ("\x1b[31m", r'"\x1b[31m"'),
    ],
)
def test_quoting(text, shown):
    """Quotes and backslashes are escaped, control characters are written out."""
    assert shown == quoted(text)


@given(st.binary(max_size=60), st.text(max_size=30), st.binary(max_size=15))
def test_a_process_cannot_forge_fields_or_lines(path, message, comm):
    """Whatever a process is called and touches, the line stays one line of pairs."""
    origin = Origin("p", "r", "p.yaml:1:1", message=message.replace("{", "").replace("}", ""))
    line = logfmt_line(record(origin=origin, path=path, comm=comm, op=Op.READ)).decode()

    found = pairs(line)

    assert line.count("\n") == 1
    assert list(found)[:3] == ["time", "level", "msg"]
    assert ("allow", '"p"') == (found["action"], found["policy"])


def test_origin_of_the_example_is_kept():
    """The record leads back to the rule's place in the file."""
    assert pairs(logfmt_line(record()).decode())["place"] == f'"{BASH.place}"'
