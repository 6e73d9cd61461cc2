# SPDX-License-Identifier: MIT
"""What each policy said, whoever decided."""

from __future__ import annotations

import header
import pytest
from fakes import ENFORCED, PREVENTED, enricher, event, match

from enforcer.events.decode import MalformedEventError
from enforcer.events.document import as_document
from enforcer.events.types import MatchBits, Origin, Record
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.selection import Selection
from enforcer.sinks.terminal import terminal_line
from enforcer.workbench.dashboard.detail import lines_of

ORIGINS = (
    Origin("keep", "no-writes", "keep.yaml:3:1"),
    Origin("watch", "writes", "watch.yaml:4:1", message="{path} by {binary}", severity="high"),
    Origin("trial", "default-file", "trial.yaml:2:1"),
)
TOLD = (
    match(1, Op.WRITE, Verb.LOG),
    match(0, Op.WRITE, Verb.DENY),
    match(2, Op.READ, Verb.DENY, is_enforced=False, bits=MatchBits.DEFAULT | MatchBits.ON_ERROR),
)


def _op(told: int) -> int:
    """Return the operation of *told*."""
    return told >> MatchBits.OP_AT & 63


def record(*told: int, number: int | None = None) -> Record:
    """Make a record of a write that the first policy refused, and of which *told* was said."""
    ops = dict(zip(("ops[0]", "ops[1]"), dict.fromkeys((Op.WRITE, *map(_op, told))), strict=False))
    return enricher(*ORIGINS).enrich(
        event(
            op=Op.WRITE,
            **ops,
            action=Verb.DENY,
            flags=ENFORCED | PREVENTED,
            path=b"/srv/key",
            exe=b"/usr/bin/tee",
            n_matches=len(told) if number is None else number,
            **{f"match[{i}]": one for i, one in enumerate(told)},
        )
    )


def test_the_parts_of_a_match_lie_where_the_header_says() -> None:
    """One number of the kernel side, taken apart by the header's constants."""
    for bit in MatchBits:
        assert header.constant(f"ENF_MATCH_{bit.name}") == bit
    assert header.constant("ENF_MAX_ROWS") - 1 == MatchBits.ROW


def test_a_record_tells_what_each_policy_said() -> None:
    """In the order of policies, each with its own rule, message and severity."""
    found = as_document(record(*TOLD))

    assert [("keep", "deny", True), ("watch", "log", True), ("trial", "deny", False)] == [
        (said["policy"], said["action"], said["enforced"]) for said in found["matches"]
    ]
    assert found["message"] == found["matches"][0]["message"]
    assert "/srv/key by /usr/bin/tee" == found["matches"][1]["message"]
    assert "high" == found["matches"][1]["severity"]
    assert found["matches"][2]["message"].startswith("would deny: file.read /srv/key")
    assert (True, True, "read") == tuple(
        found["matches"][2][key] for key in ("default", "onError", "operation")
    )
    assert "matchesLeftOut" not in found


def test_a_record_of_one_match_has_no_list() -> None:
    """What everybody knows already is not said twice."""
    assert not {"matches", "matchesLeftOut"} & as_document(record()).keys()


def test_who_decided_is_told_though_it_found_no_room() -> None:
    """The list is bounded; how many are beyond it is said."""
    others = [match(row, Op.WRITE, Verb.LOG) for row in range(1, 9)]

    found = as_document(record(*others, number=12))

    assert ["keep", "watch", "trial"] == [said["policy"] for said in found["matches"]][:3]
    assert 9 == len(found["matches"])
    assert 3 == found["matchesLeftOut"]


def test_a_match_that_makes_no_sense_is_an_error_of_that_record() -> None:
    """As with every other number."""
    with pytest.raises(MalformedEventError):
        record(match(0, Op.WRITE, Verb(1)) | 7 << MatchBits.ACTION_AT, TOLD[0])


@pytest.mark.parametrize(
    ("selection", "is_wanted"),
    [
        (Selection(policies=("watch",)), True),
        (Selection(policies=("wat*",), actions=frozenset({"log"}), severity="high"), True),
        (Selection(policies=("watch",), actions=frozenset({"deny"})), False),
        (Selection(policies=("keep",), actions=frozenset({"log"})), False),
        (Selection(policies=("other",)), False),
        (Selection(operations=frozenset({"file.read"})), True),
    ],
)
def test_an_output_for_a_policy_gets_what_it_said(selection, is_wanted) -> None:
    """Also where another policy decided; all parts must hold of one and the same match."""
    assert is_wanted == selection.wants(record(*TOLD))


def test_lines_for_people_tell_of_the_others() -> None:
    """logfmt names them, the terminal counts them, the dashboard lists them."""
    told = record(*TOLD)

    assert b' also="watch/writes: log, trial/default-file: deny"' in logfmt_line(told)
    assert "(keep/no-writes and 2 more)" in terminal_line(as_document(told))
    shown = [text.split() for text, _ in lines_of(as_document(told))]
    assert ["would", "deny", "trial/default-file"] in shown
    assert b"also=" not in logfmt_line(record())
