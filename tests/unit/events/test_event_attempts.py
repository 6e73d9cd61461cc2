# SPDX-License-Identifier: MIT
"""Records of what the kernel itself refused."""

from __future__ import annotations

import errno

import pytest
from fakes import ENFORCED, event, match, record
from jsonschema import Draft202012Validator

from enforcer.events.decode import MalformedEventError
from enforcer.events.document import as_document
from enforcer.events.schema import schema
from enforcer.events.stats import Stats, outcome, outcome_of
from enforcer.events.types import Attempt
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.ocsf import ocsf_event
from enforcer.sinks.terminal import terminal_line

OPENAT = 257


def tried(*ops: Op, **values):
    return {
        "op": Op.ATTEMPT,
        "action": Verb.LOG,
        "flags": ENFORCED,
        "code": OPENAT,
        "bits": sum(1 << op for op in ops or (Op.READ,)),
        "arg[0]": errno.EACCES,
        "path": b"/srv/vault/secret",
        "name": b"../secret",
        **values,
    }


def test_it_is_the_operation_that_it_would_have_been():
    """What it is called by is the foremost of them; the words of the caller are no name of an attribute."""
    found = event(**tried(Op.READ, Op.WRITE, Op.CREATE))

    assert Op.CREATE is found.op
    assert Attempt(OPENAT, errno.EACCES, (Op.CREATE, Op.WRITE, Op.READ)) == found.attempt
    assert (b"../secret", b"", 0, 0) == (found.asked, found.name, found.code, found.bits)


def test_it_was_never_enforced():
    """Whatever the mode of the policy is, nobody carried anything out."""
    told = match(1, Op.ATTEMPT, Verb.LOG)
    found = event(**tried(n_matches=2, **{f"match[{i}]": told for i in range(2)}))

    assert (False, False, "attempted") == (found.is_enforced, found.is_prevented, outcome(found))
    assert [False] * 2 == [each.is_enforced for each in found.matches]


@pytest.mark.parametrize("bits", [0, 1 << 63, 1 << Op.GUARD])
def test_an_attempt_at_nothing_is_malformed(bits):
    with pytest.raises(MalformedEventError):
        event(**tried(bits=bits))


def test_every_form_says_so():
    """JSON, logfmt, the terminal, OCSF; and it is counted by itself."""
    made = record(**tried(Op.MKDIR, code=258))
    document = as_document(made)

    Draft202012Validator(schema(is_strict=True)).validate(document)
    assert {
        "call": "mkdirat",
        "errno": errno.EACCES,
        "operations": ["file.mkdir"],
    } == document["attempt"]
    assert ("log", False, False, "EACCES", "mkdirat", "../secret") == (
        *(document[key] for key in ("action", "enforced", "prevented", "errno", "syscall")),
        document["object"]["asked"],
    )
    assert "mode" not in document["object"]
    assert "attempted" == outcome_of(document)
    assert "attempted: file.mkdir /srv/vault/secret" in made.message or made.origin.message
    assert b" errno=EACCES attempt=true " in logfmt_line(made)
    assert "attempted" in terminal_line(document)
    assert "[EACCES]" in terminal_line(document)
    shown = ocsf_event(made, {})
    assert ("Failure", "EACCES", False) == (
        shown["status"],
        shown["status_code"],
        shown["policy"]["is_applied"],
    )
    stats = Stats()
    stats.observe(made)
    assert {"attempted": 1} == stats.by_outcome


def test_of_other_calls_nothing_else_is_known():
    """No family of a socket that nobody looked at, no signal that is 0."""
    for op, code, call in ((Op.CONNECT, 42, "connect"), (Op.SIGNAL, 62, "kill")):
        made = record(**tried(op, code=code, path=b"", name=b""))
        document = as_document(made)

        Draft202012Validator(schema(is_strict=True)).validate(document)
        assert {"target": call, "flags": [], "unknown": []} == document["object"]
        assert call == document["syscall"]


def test_other_records_have_nothing_of_it():
    assert "attempt" not in as_document(record(op=Op.READ))
