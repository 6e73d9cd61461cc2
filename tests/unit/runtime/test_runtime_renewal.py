# SPDX-License-Identifier: MIT
"""The same policies once more, for other containers or in a session of their own."""

from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from enforcer.errors import ControlError
from enforcer.events.enrich import Origins
from enforcer.runtime.policies import commit
from enforcer.runtime.policies import enforcement as module
from enforcer.runtime.policies.commit import Commit
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.enforcement import Enforcement
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.sessions.counts import Ledger

TEXT = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
    "spec: {rules: [{name: r, file: read, match: {path: '/bin/*sh'}, action: deny}]}\n"
)
LEFT = "the previous programs are still attached, too: it is busy"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def enforcement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Enforcement:
    """Policies of which something is worth knowing, in a kernel that does not let the old programs go."""
    (tmp_path / "p.yaml").write_text(TEXT)
    sources = Sources((tmp_path / "p.yaml",))
    made = make(Order(sources, Overlay(), generation=1))
    assert made.warnings
    monkeypatch.setattr(module, "make_apart", lambda order, *_, **__: make(order))
    monkeypatch.setattr(module, "activate", lambda *_: Commit(is_successor=True, warnings=(LEFT,)))
    session = SimpleNamespace(is_kept=False, seed=1)
    sessions = SimpleNamespace(current=session, origins=Origins(), operations={})
    looks = SimpleNamespace(look=lambda: (), places=SimpleNamespace(cgroups=tmp_path))
    return Enforcement(
        *(sources, None, Reactor(), said.append, sessions, made.now), workloads=looks
    )


@pytest.mark.parametrize("found", [None, ()], ids=["pins", "containers"])
def test_what_it_leaves_is_said(enforcement, said, found):
    """And nothing of the policies, which are those of before."""
    enforcement.now = attrs.evolve(enforcement.now, workloads=())

    enforcement.renew(found)

    assert [LEFT] == said
    assert 2 == enforcement.now.generation


def test_a_caller_is_answered_the_same(enforcement, said):
    """With what the author should know."""
    warnings = enforcement.reload()["warnings"]

    assert LEFT == warnings[-1]
    assert len(warnings) > 1
    assert [] == said


def test_a_change_without_a_way_back_is_not_to_be_confirmed(enforcement, monkeypatch):
    """The kernel would go back to labels that mean something else; without a time it is made."""

    def begin_anew(order, *_):
        made = make(order)
        return attrs.evolve(made, now=attrs.evolve(made.now, continues=False))

    monkeypatch.setattr(module, "make_apart", begin_anew)

    with pytest.raises(ControlError, match="without a time to confirm it"):
        enforcement.reload(confirm_within=30.0)
    assert (1, None) == (enforcement.now.generation, enforcement.pending)

    enforcement.reload()
    assert 2 == enforcement.now.generation


MAPS = {"tasks": 3, "marks": 4}


@pytest.mark.parametrize(
    ("continues_keeps", "carried", "words"),
    [
        ((True, True), MAPS, ""),
        ((False, True), {"marks": 4}, "the numbers of conditions on processes are used up"),
        ((False, False), None, "all marks are forgotten"),
    ],
)
def test_what_is_forgotten_is_said(enforcement, monkeypatch, continues_keeps, carried, words):
    """Numbers that are used up begin anew, in a session that takes over what means the same."""
    opened = []
    fake = SimpleNamespace(open=lambda *_, **given: opened.append(given))
    monkeypatch.setattr(commit, "Session", fake)
    monkeypatch.setattr(commit, "Outgoing", SimpleNamespace(of_session=lambda *_: None))
    old = SimpleNamespace(
        is_kept=False, carried=MAPS, is_protected=False, guard=None, detach=lambda: None
    )
    ledger = SimpleNamespace(fold=lambda *_: None)
    sessions = SimpleNamespace(
        current=old, outgoing=[], origins=Origins(), ledger=ledger, counts=Ledger
    )
    continues, keeps_marks = continues_keeps
    new = attrs.evolve(enforcement.now, continues=continues, keeps_marks=keeps_marks)

    done = commit.activate(sessions, None, commit.Proposal(new, None, None, None, None))

    assert [words in sentence for sentence in done.warnings] == [True] * (not continues)
    assert [carried] == [given["carry"] for given in opened]
