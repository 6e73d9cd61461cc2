# SPDX-License-Identifier: MIT
"""Bytes to events."""

import header
import pytest
from fakes import DECODER, ENFORCED, LAYOUT, PREVENTED, event, raw_event
from hypothesis import given
from hypothesis import strategies as st

from enforcer.events.decode import MalformedEventError
from enforcer.events.types import EventFlag, RowFlag
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb


def test_all_fields_arrive():
    """Every number of the head, and the three strings of the tail, are where they belong."""
    numbers = {
        name: 1000 + place
        for place, name in enumerate(LAYOUT.names)
        if name
        not in {
            "size", "kind", "op", "action", "flags", "row_flags", "signal", "comm", "parent_comm", "fstype", "present",
            "path_len", "exe_len", "name_len", "argc", "_pad",
        }
        and not name.startswith(("arg[", "ops[", "mark_at[", "match[", "n_matches"))
    }  # fmt: skip

    found = event(
        op=Op.CONNECT,
        action=Verb.KILL,
        flags=ENFORCED | PREVENTED,
        row_flags=RowFlag.GUARD,
        signal=9,
        path=b"/run/a.sock",
        exe=b"/usr/bin/nc",
        name=b"abc",
        **numbers,
    )

    assert numbers == {name: getattr(found, name) for name in numbers}
    assert (Op.CONNECT, Verb.KILL, 9) == (found.op, found.action, found.signal)
    assert EventFlag.ENFORCED | EventFlag.PREVENTED == found.flags
    assert RowFlag.GUARD == found.row_flags
    assert (b"/run/a.sock", b"/usr/bin/nc", b"abc") == (found.path, found.exe, found.name)
    assert (b"sh", b"kubectl") == (found.comm, found.parent_comm)


def test_errors_are_signed():
    """An errno is a signed number."""
    assert event(error=-5).error == -5


def test_args_are_split():
    """With argc the name is that many strings, each ended by NUL, empty ones included."""
    assert (b"nc", b"", b"-e") == event(name=b"nc\0\0-e\0", argc=3).args


def test_args_that_found_no_room_are_missed():
    """What the kernel side cut off is seen from the count."""
    found = event(name=b"nc\0-l", argc=5)

    assert ((b"nc", b"-l"), 5) == (found.args, found.argc)


def test_no_args_without_argc():
    """Without argc the name is one name, even with a NUL in it."""
    found = event(name=b"a\0b")

    assert () == found.args
    assert found.name == b"a\0b"


def test_operations_end_where_there_is_none():
    """All that the access was, the one that decided among them."""
    assert (Op.READ, Op.WRITE) == event(
        **{"op": Op.WRITE, "ops[0]": Op.READ, "ops[1]": Op.WRITE}
    ).ops
    assert (Op.EXEC,) == event(op=Op.EXEC).ops


def test_padding_after_the_record_is_ignored():
    """A ring buffer hands over multiples of eight bytes."""
    assert DECODER.decode(raw_event(path=b"/x") + b"\0" * 6).path == b"/x"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "0 bytes"),
        (raw_event()[:-1], "less than a head"),
        (raw_event(path=b"/etc/shadow")[:-1], "size"),
        (raw_event(path_len=1), "size"),
        (raw_event(size=0), "size"),
        (raw_event(kind=9), "unknown kind 9"),
        (raw_event(op=200), "200"),
        (raw_event(action=77), "77"),
    ],
)
def test_nonsense_is_refused(raw, reason):
    """A record that contradicts itself is an error that says in which way."""
    with pytest.raises(MalformedEventError, match=reason):
        DECODER.decode(raw)


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_decoder(raw):
    """Whatever comes is an event or a MalformedEventError."""
    try:
        DECODER.decode(raw)
    except MalformedEventError:
        return
    assert len(raw) >= LAYOUT.head.size


@pytest.mark.parametrize(("flags", "prefix"), [(EventFlag, "ENF_EF_"), (RowFlag, "ENF_RF_")])
def test_flags_are_those_of_the_abi(flags, prefix):
    """Flag values are written twice, and held equal here."""
    assert {f.name: f.value for f in flags} == {
        f.name: header.constant(prefix + f.name) for f in flags
    }


def test_times_of_marks_are_those_of_rules_that_ask():
    """What lies there for others is no time."""
    times = {"mark_at[0]": 7, "mark_at[1]": 0, "mark_at[3]": 9}

    asks = event(op=Op.EXEC, action=Verb.DENY, row_flags=RowFlag.WITHIN, **times)
    other = event(op=Op.EXEC, action=Verb.DENY, row_flags=RowFlag(0), **times)

    assert (7, 0, 0, 9) == asks.mark_at
    assert () == other.mark_at
