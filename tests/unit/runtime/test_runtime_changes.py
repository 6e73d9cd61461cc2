# SPDX-License-Identifier: MIT
"""Changes at run time, laid over what files say, and how they and counts reach a later daemon."""

import json

import attrs
import pytest
from fakes import BASH, FakeHits

from enforcer.compiler import LabelNumbers
from enforcer.errors import ControlError, KernelError, PolicyErrors
from enforcer.events import enrich
from enforcer.events.enrich import Origins
from enforcer.events.rows import RowTable
from enforcer.events.types import Origin
from enforcer.policy.language.vocabulary import OPS
from enforcer.policy.model.policy import Mode
from enforcer.policy.store import load_text
from enforcer.runtime.control.report import facts_of
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.kept_state import State
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.sessions.counts import Ledger

ORIGINS = RowTable.of(
    (BASH, Origin("vault", "no-writes", "vault.yaml:9:3", tags=("a", "b"), asked=("vault/m",)))
)


def text(name):
    return (
        f"apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: {name}}}\n"
        "spec: {rules: [{name: r, exec: {}, match: {path: /x}, action: deny}]}\n"
    )


FILES = load_text(text("web") + "---\n" + text("db"), "files.yaml")


def names(policies):
    return [policy.name for policy in policies.policies]


def test_nothing_changed_is_what_the_files_say():
    assert FILES == Overlay().policies(FILES)
    assert FILES == Overlay().enabled(FILES)
    assert Overlay().is_empty


def test_disabled_policies_are_known_and_not_active():
    overlay = Overlay().enable("web", enabled=False)

    everything = overlay.policies(FILES)

    assert ["web", "db"] == names(everything)
    assert ["db"] == names(overlay.enabled(everything))
    assert FILES == overlay.enable("web", enabled=True).enabled(FILES)
    assert [("web", False), ("db", True)] == [
        (facts.name, facts.is_enabled) for facts in facts_of(everything, overlay)
    ]


def test_a_mode_that_was_set_holds_over_what_the_file_says():
    overlay = Overlay().set_mode("db", Mode.AUDIT)

    web, db = overlay.policies(FILES).policies

    assert (Mode.ENFORCE, Mode.AUDIT) == (web.mode, db.mode)
    assert [{"policy": "db", "change": "mode audit"}] == list(overlay.describe())


def test_what_was_added_can_be_removed_with_what_was_set_on_it():
    overlay = Overlay().add(text("late"), "late.yaml").set_mode("late", Mode.AUDIT)
    assert ["web", "db", "late"] == names(overlay.policies(FILES))
    assert "added" == facts_of(overlay.policies(FILES), overlay)[2].origin

    assert Overlay() == overlay.remove("late")


def test_the_same_file_added_again_takes_the_place_of_its_first_text():
    overlay = Overlay().add(text("late"), "late.yaml").add(text("later"), "late.yaml")

    assert ["web", "db", "later"] == names(overlay.policies(FILES))


def test_a_name_that_is_taken_is_refused_with_both_places():
    overlay = Overlay().add(text("web"), "late.yaml")

    with pytest.raises(ControlError, match=r"files\.yaml:1:1.*late\.yaml:1:1"):
        overlay.policies(FILES)


def test_a_text_that_is_wrong_is_not_added():
    with pytest.raises(PolicyErrors):
        Overlay().add("kind: Nothing\n", "late.yaml")


def test_what_a_file_says_cannot_be_removed_here():
    with pytest.raises(ControlError, match="policy disable web"):
        Overlay().remove("web")


def test_one_of_a_text_with_several_cannot_be_removed_alone():
    overlay = Overlay().add(text("a") + "---\n" + text("b"), "both.yaml")

    with pytest.raises(ControlError, match="in one text with b"):
        overlay.remove("a")


def test_policies_that_were_put_away_come_back_equal():
    assert FILES == CompactCopy.of(FILES).unpack()
    assert [hash(op) for op in OPS.values()] == [
        hash(op) for op in CompactCopy.of(OPS).unpack().values()
    ]


# ---- Counts -----------------------------------------------------------------------------------


def test_counts_of_a_rule_go_on_under_another_row():
    """Rows are numbered anew with each image; policy and rule stay."""
    ledger = Ledger()
    ledger.add(ORIGINS, (FakeHits(1, 2), FakeHits(3, 4)))
    ledger.add(tuple(reversed(ORIGINS)), (FakeHits(10, 0), FakeHits(0, 20)))

    assert (13, 4) == attrs.astuple(ledger.of_rule("vault", "no-writes"))
    assert (1, 22) == attrs.astuple(ledger.of_policy("detect-bash-exec"))
    assert (0, 0) == attrs.astuple(ledger.of_policy("other"))


def test_a_copy_counts_for_itself():
    ledger = Ledger()
    copy = ledger.copy()
    copy.add(ORIGINS, (FakeHits(1, 0),))

    assert 0 == ledger.of_policy("detect-bash-exec").enforced


def test_rows_are_those_of_the_generation():
    """A record of the image before is not taken for one of this one."""
    origins = Origins({1: ORIGINS, 2: ORIGINS[1:]})

    assert [BASH, ORIGINS[1]] == [origins.find(1, 0), origins.find(2, 0)]
    assert "-" == origins.find(2, 1).policy


def test_rows_of_late_are_remembered(monkeypatch):
    """In a flood, records wait in the kernel while policies change many times."""
    origins = Origins(dict.fromkeys(range(1, 10), ORIGINS))
    origins.keep({9})
    assert BASH == origins.find(1, 0)

    monkeypatch.setattr(enrich, "MAX_ROWS", 3 * len(ORIGINS))
    origins.keep({1, 9})

    known = [number for number in range(1, 10) if origins.find(number, 0) == BASH]
    assert [1, 6, 7, 8, 9] == known


# ---- State ------------------------------------------------------------------------------------


def state():
    ledger = Ledger()
    ledger.add(ORIGINS, (FakeHits(1, 2), FakeHits(3, 4)))
    overlay = Overlay().add(text("late"), "late.yaml").enable("web", enabled=False)
    labels = LabelNumbers({"a": 0, "b": 5}, frozenset({5}), {"p/m@tree": (3, 1 << 40)})
    return State(ORIGINS, labels, ledger, overlay.set_mode("db", Mode.AUDIT))


def test_a_state_is_read_as_it_was_written():
    assert state() == State.decode(state().encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"format":2}', b"\xff"])
def test_what_is_no_state_is_an_error_in_one_sentence(data):
    with pytest.raises(KernelError, match="cannot be read"):
        State.decode(data)


def test_a_state_of_another_format_is_refused():
    other = json.dumps({**json.loads(state().encode()), "format": 99}).encode()

    with pytest.raises(KernelError, match="format 99"):
        State.decode(other)
