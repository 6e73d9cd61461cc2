# SPDX-License-Identifier: MIT
"""Keys: their names, and what they do."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from ui_model import NOW, beat, denial, killing, lines, model

from enforcer.workbench.dashboard.board import Board
from enforcer.workbench.dashboard.keys import Keyboard
from enforcer.workbench.dashboard.model import Focus, Question, View
from enforcer.workbench.dashboard.search import Search


@attrs.define
class FakeErrands:
    """Keeps what was asked for."""

    asked: list[tuple[Any, ...]] = attrs.field(factory=list)

    def look_up(self, event: dict[str, Any]) -> None:
        self.asked.append(("look_up", event["process"]["pid"]))

    def look_up_policy(self, name: str) -> None:
        self.asked.append(("look_up_policy", name))

    def set_mode(self, policy: str, mode: str) -> None:
        self.asked.append(("set_mode", policy, mode))

    def redraw(self) -> None:
        self.asked.append(("redraw",))

    def leave(self) -> None:
        self.asked.append(("leave",))


@pytest.fixture
def board():
    return Board(model(denial(0), denial(1), denial(2)), FakeErrands())


def press(board, *keys):
    for key in keys:
        board.press(key)


def selected(board):
    events = board.model.events()
    return events[board.model.place(events)]["process"]["pid"]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"q/ \r", ["q", "/", " ", "enter"]),
        (b"\x1b[A\x1b[B\x1bOC\x1bOD", ["up", "down", "right", "left"]),
        (b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~\x1b[H", ["pageup", "pagedown", "home", "end", "home"]),
        (b"\x1b[Z\t\x7f\x08\x0c", ["tab", "tab", "backspace", "backspace", "redraw"]),
        (b"\x1b[200~\x1b[1;5Cx", ["x"]),
        ("ä€".encode(), ["ä", "€"]),
        (b"\x00\x01\x02\x1f", []),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1bq", ["escape", "q"]),
    ],
)
def test_names_of_keys(data, names):
    """What a keyboard sends has a name, and what has none does nothing."""
    assert names == list(Keyboard().keys(data))


@pytest.mark.parametrize("data", [b"\x1b[A", b"\x1b[6~", "€".encode()])
def test_keys_that_come_in_pieces(data):
    """A slow line may part a sequence anywhere."""
    keyboard = Keyboard()
    pieces = [name for byte in data for name in keyboard.keys(bytes([byte]))]

    assert pieces == list(Keyboard().keys(data))
    assert not keyboard.is_waiting


def test_a_lone_escape_is_the_key_when_nothing_follows():
    """It may begin a sequence, so it waits; half a sequence is not a key."""
    keyboard = Keyboard()

    assert [] == list(keyboard.keys(b"\x1b"))
    assert keyboard.is_waiting
    assert ["escape"] == list(keyboard.settle())
    assert [] == [*keyboard.keys(b"\x1b["), *keyboard.settle()]
    assert ["q"] == list(keyboard.keys(b"q"))


def test_moving_in_the_events(board):
    """The selection stays on its event when others come, and with the newest at the top."""
    assert 102 == selected(board)
    press(board, "down")
    board.model.beat(beat(6.0, newest=[denial(3)]), NOW)
    assert 101 == selected(board)
    press(board, "end", "down")
    assert 100 == selected(board)
    press(board, "home")
    board.model.beat(beat(7.0, newest=[denial(4)]), NOW)
    assert 104 == selected(board)


def test_pause_keeps_what_is_shown(board):
    """Nothing moves while paused; what came meanwhile is counted, and there afterwards."""
    press(board, " ")
    board.model.beat(beat(6.0, newest=[denial(3)], totals={"denied": 99}), NOW)

    text = "\n".join(lines(board.model))
    assert 102 == selected(board)
    assert "PAUSED, 1 newer" in text
    assert " 99 " not in text
    press(board, "p")
    assert 103 == selected(board)
    assert " 99 " in "\n".join(lines(board.model))


def test_a_filter_is_typed(board):
    """It holds while it is typed; Enter keeps it, Escape drops it, letters are no commands."""
    press(board, "/", *"pid q", "backspace", "backspace")
    assert "pid" == board.model.search.text
    press(board, "enter")
    assert Search("pid") == board.model.search
    press(board, "/", "x", "escape")
    assert Search() == board.model.search
    assert [] == board.errands.asked
    press(board, "/", *"tee", "enter", "escape")
    assert Search() == board.model.search


def test_details_of_the_selected_event(board):
    """Enter asks for it, arrows scroll, Escape goes back to the same one."""
    press(board, "down", "enter")
    assert [("look_up", 101)] == board.errands.asked
    assert View.DETAIL is board.model.view
    press(board, "down", "pagedown", "up")
    assert 10 == board.model.detail.scroll
    press(board, "escape")
    assert (View.LIST, 101) == (board.model.view, selected(board))


def test_nothing_to_look_at():
    """Without events Enter does nothing."""
    board = Board(model(), FakeErrands())
    press(board, "enter", "down", "m")
    assert View.LIST is board.model.view
    assert board.model.is_said_badly
    assert [] == board.errands.asked


def test_a_mode_is_switched_only_when_confirmed(board):
    """The question names the policy; any key but y is a no."""
    press(board, "tab", "down", "m")
    assert Question("vault", "audit") == board.model.question
    press(board, "q")
    assert [] == board.errands.asked
    press(board, "m", "y")
    assert [("set_mode", "vault", "audit")] == board.errands.asked
    assert board.model.question is None


def test_the_mode_of_the_policy_of_an_event(board):
    """With the events, m means the policy that decided."""
    press(board, "m", "y")
    assert [("set_mode", "vault", "audit")] == board.errands.asked


def test_a_disabled_policy_has_no_mode_to_switch(board):
    """It is said how to enable it."""
    press(board, "tab", "end", "m")
    assert board.model.question is None
    assert "enforcer policy enable" in board.model.said


def test_help_and_back(board):
    """From wherever it was asked for."""
    press(board, "?")
    assert View.HELP is board.model.view
    press(board, "escape", "enter", "h", "left")
    assert View.DETAIL is board.model.view


@pytest.mark.parametrize("key", ["?", "h"])
def test_the_key_of_the_help_closes_it(board, key):
    """In the list, and in details, where it leads back to them."""
    press(board, key, key)
    assert View.LIST is board.model.view
    press(board, "enter", key, key)
    assert View.DETAIL is board.model.view


def test_rules_of_a_policy(board):
    """Enter on a policy asks for them; Escape goes back to the same one."""
    press(board, "tab", "down", "enter")
    assert [("look_up_policy", "vault")] == board.errands.asked
    assert (View.DETAIL, "vault") == (board.model.view, board.model.detail.of)
    press(board, "escape")
    assert (View.LIST, Focus.POLICIES, "vault") == (
        board.model.view,
        board.model.focus,
        board.model.policy,
    )


@pytest.mark.parametrize("keys", [["m"], ["/"], ["/", "t", "e"]])
@pytest.mark.parametrize("answer", ["y", "enter", "escape"])
def test_nothing_moves_under_a_prompt(board, keys, answer):
    """What came meanwhile is there after the answer."""
    press(board, *keys)
    before = lines(board.model)
    board.model.beat(beat(6.0, newest=[denial(3)], totals={"denied": 99}), NOW)

    assert before == lines(board.model)
    assert "still while you answer" in before[0]
    press(board, answer, "escape", "escape")
    assert 103 == selected(board)
    assert "live" in lines(board.model)[0]


def test_a_filter_key_that_there_is_not_is_said(board):
    """While it is typed, after it, and as long as the filter holds."""
    press(board, "/", *"polcy:web -pth:/srv pid:7")
    assert "no key polcy, pth, pid (there are policy rule" in lines(board.model, width=120)[-1]
    press(board, "enter")
    assert "no key polcy, pth, pid" in board.model.said
    assert board.model.is_said_badly
    press(board, "down")
    assert "no key polcy, pth, pid" in "\n".join(lines(board.model, width=160))


@pytest.mark.parametrize(
    "text", ["policy:web", "-action:kill", "2001:db8::1", "http://x", "7:00", ":", "PATH:/srv"]
)
def test_words_without_an_unknown_key(text):
    """Addresses, times and keys that there are."""
    assert () == Search(text).unknown


@pytest.mark.parametrize(
    "keys", [["q"], ["interrupt"], ["?", "q"], ["/", "interrupt"], ["enter", "q"]]
)
def test_leaving(board, keys):
    """From everywhere; Ctrl-C even while typing."""
    press(board, *keys)
    assert ("leave",) == board.errands.asked[-1]


def test_tab_moves_in_the_policies_and_back(board):
    """Arrows move where the focus is."""
    press(board, "tab", "down", "down", "up", "tab")
    assert Focus.EVENTS is board.model.focus
    assert "vault" == board.model.policy
    assert 102 == selected(board)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [True, True]),
        ("TEE", [True, False]),
        ("path:/bin", [False, True]),
        ("action:kill", [False, True]),
        ("-action:kill", [True, False]),
        ("vault srv", [True, False]),
        ("process:12345", [False, True]),
        ("op:file.write policy:vault", [True, False]),
        ("nokey:x", [False, False]),
        ("reason:suspicious", [False, True]),
    ],
)
def test_what_a_filter_finds(text, found):
    """All words must be there, where their key says; a minus turns one round."""
    assert found == [Search(text).finds(event) for event in (denial(), killing())]
