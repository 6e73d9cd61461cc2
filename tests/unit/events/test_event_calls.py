# SPDX-License-Identifier: MIT
"""Records of system calls that were decided on at their entry."""

from __future__ import annotations

from fakes import denied
from jsonschema import Draft202012Validator

from enforcer.events.document import as_document
from enforcer.events.schema import schema
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import Dim, Op


def of(name, *passed, unknown=0, text=b""):
    numbers = {f"arg[{at}]": value for at, value in enumerate(passed)}
    call = denied(
        op=Op.SYSCALL,
        path=b"",
        code=SYSCALLS[name].number,
        argc=len(passed),
        name=text,
        unknown=unknown,
        **numbers,
    )
    document = as_document(call)
    Draft202012Validator(schema(is_strict=True)).validate(document)
    return document["object"]


def test_what_is_unknown_is_no_number():
    """Half of a position that is in two registers is not the position."""
    shown = of("pread64", 3, 4096, 16, 77, unknown=1 << Dim.N3)

    assert [3, 4096, 16, None] == shown["arguments"]
    assert ("pread64(3, 4096, 16, ?)", ["n3"]) == (shown["target"], shown["unknown"])


def test_a_string_that_could_not_be_read_is_not_empty():
    """An empty one is."""
    place = 0x1000
    unread = 1 << Dim.ARG_ANY | 1 << Dim.ARG0

    assert [None, 0] == of("memfd_create", place, 0, text=b"\0\0", unknown=unread)["arguments"]
    assert ["", 0] == of("memfd_create", place, 0, text=b"\0\0")["arguments"]
