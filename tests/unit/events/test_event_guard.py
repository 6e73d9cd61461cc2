# SPDX-License-Identifier: MIT
"""Refusals of self-protection: bytes to records."""

import header
import pytest
from fakes import ENFORCED, PREVENTED, enricher, event

from enforcer.events.decode import MalformedEventError
from enforcer.events.document import as_document
from enforcer.events.types import GuardAct
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.terminal import terminal_line

_KIND = header.constant("ENF_EVENT_GUARD")


def refusal(act, **values):
    """Make the event of one refused attempt by ``/usr/bin/kill``."""
    head = {"kind": _KIND, "op": act.value, "action": Verb.DENY, "flags": ENFORCED | PREVENTED}
    return event(
        **head,
        error=1,
        row=header.constant("ENF_NONE"),
        exe=b"/usr/bin/kill",
        comm=b"kill",
        **values,
    )


def test_acts_are_those_of_the_header():
    """An act means the same on both sides."""
    acts = header.enumeration("enf_guard_act", "ENF_GUARD_")

    assert acts == {act.name: act.value for act in GuardAct}


def test_acts_are_no_operations():
    """Numbers that are the same mean different things by the kind of the event."""
    found = refusal(GuardAct.SIGNAL, signal=9, ino=77)

    assert found.op is GuardAct.SIGNAL
    assert found.op != Op(GuardAct.SIGNAL.value)


def test_a_signal_is_told_in_every_form():
    """Who, which signal, to whom; and that it did not arrive."""
    record = enricher().enrich(refusal(GuardAct.SIGNAL, signal=9, ino=77))

    document = as_document(record)
    message = "Denied: SIGKILL to the daemon by /usr/bin/kill"
    assert ("enforcer", "self-protection", "-", "critical") == tuple(
        document[key] for key in ("policy", "rule", "place", "severity")
    )
    assert ("deny", "EPERM", True, True) == tuple(
        document[key] for key in ("action", "errno", "enforced", "prevented")
    )
    assert ("protection", "signal", "kill") == tuple(
        document[key] for key in ("event", "operation", "syscall")
    )
    assert message == document["message"]
    assert {
        "target": "SIGKILL to 77", "flags": [], "unknown": [], "number": 77, "signal": "SIGKILL"
    } == document["object"]  # fmt: skip
    assert document["signal"] is None
    assert terminal_line(document)[9:] == (
        "denied      kill[12345] SIGKILL to the daemon [EPERM] by /usr/bin/kill "
        "(enforcer/self-protection)"
    )
    assert b"op=protection.signal" in logfmt_line(record)


@pytest.mark.parametrize("act", GuardAct)
def test_every_act_has_a_sentence(act):
    """Each says what was tried, and by whom."""
    record = enricher().enrich(refusal(act, ino=5, name=b"thing"))

    assert record.message.startswith("Denied: ")
    assert record.message.endswith(" by /usr/bin/kill")
    assert "{" not in record.message


def test_names_are_shown():
    """A pin is told by its name."""
    record = enricher().enrich(refusal(GuardAct.PIN, ino=5, name=b"link-enf_exec"))

    assert "link-enf_exec" == as_document(record)["object"]["name"]
    assert "changing the engine's pin link-enf_exec" in record.message


def test_an_act_that_is_unknown_is_malformed():
    """Bytes that the header does not know cost that record alone."""
    with pytest.raises(MalformedEventError, match="14"):
        event(kind=_KIND, op=14)
