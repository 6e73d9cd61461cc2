# SPDX-License-Identifier: MIT
"""A start over policies that were not confirmed: what comes back is known as a whole."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from enforcer.errors import KernelError, PolicyErrors
from enforcer.policy.model.policy import Mode
from enforcer.runtime.policies import start
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.kept_state import State
from enforcer.runtime.policies.kept_texts import KeptTexts
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.sessions.counts import Ledger

OLD = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: old}\n"
    "spec: {rules: [{name: r, file: read, match: {path: /old}, action: deny}]}\n"
)
NEW = OLD.replace("old", "new")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(OLD)
    return path


def order(file: Path) -> Order:
    return Order(Sources((file,)), Overlay(), generation=7)


@pytest.fixture
def old(file: Path) -> State:
    """What was active before, as a later daemon reads it."""
    return State.decode(make(order(file)).now.state(Ledger()))


@pytest.fixture
def new(file: Path, old: State) -> str:
    """The digest of what the file says by now, which was not confirmed."""
    del old
    file.write_text(NEW)
    return make(order(file)).now.digest


def over(left: dict[str, Any], state: State, **more: Any) -> Any:
    nothing = {"expires_ns": 0, "image": b"", "earlier": None}
    return start._Before(SimpleNamespace(**(nothing | left)), state, 6, **more)


def made(given: Order, before: Any, seconds: float | None = None) -> tuple[Any, Any, list[str]]:
    said: list[str] = []
    return *start._made(given, before, seconds, said.append), said


def names(now: Any) -> list[str]:
    return [policy.name for policy in now.wanted().policies]


def test_what_was_active_is_made_anew_of_what_files_said(file, old, new):
    """All that the daemon does from then on, it does to these policies: for containers, and changes at run time."""
    state = attrs.evolve(old, unconfirmed=new)

    found, window, said = made(order(file), over({}, state))

    assert (["old"], ["old"]) == (names(found.now), [facts.name for facts in found.now.facts])
    assert (old.digest, new, 7) == (found.now.digest, found.now.unconfirmed, found.now.generation)
    assert window is None
    assert ["not confirmed in time" in line for line in said] == [True]
    again = make(attrs.evolve(order(file), files=found.now.files, written=found.now.written))
    assert ["old"] == names(again.now)
    assert found.now.written == again.now.written == old.written


def test_another_change_of_the_files_is_activated(file, old, new):
    file.write_text(NEW.replace("new", "newest"))

    found, window, said = made(order(file), over({}, attrs.evolve(old, unconfirmed=new)))

    assert (["newest"], new, None, []) == (names(found.now), found.now.unconfirmed, window, said)


def test_what_waits_comes_back_with_its_policies(file, old, new):
    """Nothing is known of its image: containers that begin then have one made."""
    image = make(order(file)).data
    waits = over(
        {"expires_ns": 1, "earlier": (image, b"")},
        attrs.evolve(old, digest=new),
        earlier=attrs.evolve(old, overlay=Overlay().set_mode("old", Mode.AUDIT)),
    )

    found, window, said = made(order(file), waits)

    assert (["new"], 0.0) == (names(found.now), window.seconds)
    assert 1 == len(said)
    back = window.fallback.as_set(8, found.now.digest)
    assert (["old"], 8, new, None) == (names(back), back.generation, back.unconfirmed, back.asked)
    assert Mode.AUDIT == back.wanted().policies[0].mode
    assert old.labels == back.labels


def test_a_start_that_is_to_be_confirmed_knows_what_it_follows(file, old, new):
    del new
    found, window, _ = made(order(file), over({"image": b"image"}, old), 60.0)

    assert (["new"], 60.0) == (names(found.now), window.seconds)
    assert (["old"], b"image") == (names(window.fallback.policies), window.fallback.image)


def test_policies_that_are_not_known_do_not_come_back(file, old, new):
    """An earlier version did not keep them. What it left stays active, as the start fails."""
    state = attrs.evolve(old, unconfirmed=new, written=None)

    with pytest.raises(KernelError, match="an earlier version"):
        made(order(file), over({}, state))


def test_texts_are_kept_whatever_they_say(file):
    texts = {"/a": b"\xff\xfe", "/b\udcff": "ä".encode(), "/c": b""}
    kept = KeptTexts.of(texts)

    assert texts == KeptTexts.from_text(kept.as_text()).unpack()
    for strange in ("=", "ä", "AAAA"):
        with pytest.raises(ValueError, match=r"\w"):
            KeptTexts.from_text(strange).unpack()
    with pytest.raises(PolicyErrors):
        make(attrs.evolve(order(file), written=kept))
