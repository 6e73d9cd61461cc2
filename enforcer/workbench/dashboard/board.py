# SPDX-License-Identifier: MIT
"""What keys do: they change the model, or ask others to act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from enforcer.workbench.dashboard.model import Detail, Focus, Question, View
from enforcer.workbench.dashboard.search import Search, unknown_keys

if TYPE_CHECKING:
    from enforcer.events.document_types import BriefDocument
    from enforcer.workbench.dashboard.model import Model

__all__ = ["Board", "Errands"]

_PAGE = 10
_MOVES = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "pageup": -_PAGE,
    "pagedown": _PAGE,
    "home": -(1 << 30),
    "g": -(1 << 30),
    "end": 1 << 30,
    "G": 1 << 30,
}
_LONGEST_FILTER = 200


class Errands(Protocol):
    """What a board asks of its owner. Nothing here waits."""

    def look_up(self, event: BriefDocument) -> None:
        """Learn everything about *event*, and put it into the model's detail."""

    def look_up_policy(self, name: str) -> None:
        """Learn the rules of policy *name*, and put them into the model's detail."""

    def set_mode(self, policy: str, mode: str) -> None:
        """Let *policy* audit or enforce, and say how that went."""

    def redraw(self) -> None:
        """Redraw the whole screen."""

    def leave(self) -> None:
        """End the dashboard."""


@attrs.define
class Board:
    """Takes keys by their names."""

    model: Model
    errands: Errands

    def press(self, key: str) -> None:
        """Do what *key* means now."""
        model = self.model
        if key == "interrupt":
            self.errands.leave()
        elif model.question is not None:
            self._answer(model.question, key)
        elif model.typing is not None:
            self._type(model.typing, key)
        else:
            model.say("")
            self._command(key)

    def _command(self, key: str) -> None:
        model = self.model
        match key:
            case "q":
                self.errands.leave()
            case "redraw":
                self.errands.redraw()
            case "?" | "h" if model.view is View.HELP:
                self._back()
            case "?" | "h":
                model.view = View.HELP
            case "escape" | "left" | "backspace":
                self._back()
            case "m":
                self._ask_mode()
            case _ if key in _MOVES:
                self._move(_MOVES[key])
            case _ if model.view is View.LIST:
                self._in_list(key)

    def _in_list(self, key: str) -> None:
        model = self.model
        match key:
            case "/":
                model.typing = model.search.text
                model.hold(still=True)
            case " " | "p":
                self._pause()
            case "tab":
                is_events = model.focus is Focus.EVENTS
                model.focus = Focus.POLICIES if is_events else Focus.EVENTS
            case "enter" | "right":
                self._look()

    def _pause(self) -> None:
        model = self.model
        model.missed = 0
        model.frozen = model.live.still() if model.frozen is None else None

    def _look(self) -> None:
        model = self.model
        events = model.events()
        policy = model.selected_policy()
        if model.focus is Focus.POLICIES and policy is not None:
            model.policy = policy["name"]
            model.detail, model.view = Detail(policy["name"]), View.DETAIL
            self.errands.look_up_policy(policy["name"])
        elif model.focus is Focus.EVENTS and events:
            event = events[model.place(events)]
            model.chosen = event["id"]
            model.detail, model.view = Detail(event), View.DETAIL
            self.errands.look_up(event)

    def _back(self) -> None:
        model = self.model
        if model.view is View.HELP and model.detail is not None:
            model.view = View.DETAIL
        elif model.view is not View.LIST:
            model.view, model.detail = View.LIST, None
        else:
            model.search, model.chosen, model.focus = Search(), None, Focus.EVENTS

    def _move(self, by: int) -> None:
        model = self.model
        if model.view is View.DETAIL and model.detail is not None:
            model.detail.scroll = max(0, model.detail.scroll + by)
        elif model.view is View.LIST and model.focus is Focus.EVENTS:
            events = model.events()
            if events:
                place = max(0, min(model.place(events) + by, len(events) - 1))
                # At the top the selection stays with the newest, whichever that becomes.
                model.chosen = events[place]["id"] if place else None
        elif model.view is View.LIST:
            policies = model.picture.policies
            selected = model.selected_policy()
            if policies:
                place = policies.index(selected) if selected in policies else 0
                place = max(0, min(place + by, len(policies) - 1))
                model.policy = policies[place]["name"]

    # ---- Filter ------------------------------------------------------------------------------

    def _type(self, text: str, key: str) -> None:
        model = self.model
        match key:
            case "enter":
                model.typing = None
            case "escape":
                model.typing, text = None, ""
            case "backspace":
                model.typing = text = text[:-1]
            case _ if len(key) == 1 and len(text) < _LONGEST_FILTER:
                model.typing = text = text + key
        model.search = Search(text.strip())
        if model.typing is None:
            model.hold(still=False)
            if unknown := model.search.unknown:
                model.say(f"{unknown_keys(unknown)}: it is looked for as it stands", badly=True)

    # ---- Modes -------------------------------------------------------------------------------

    def _ask_mode(self) -> None:
        model = self.model
        policy = model.selected_policy()
        if policy is None:
            model.say("no policy is selected: select one, or an event of one", badly=True)
        elif not policy["enabled"]:
            model.say(f"policy {policy['name']} is disabled: enforcer policy enable", badly=True)
        else:
            other = "audit" if policy["mode"] == "enforce" else "enforce"
            model.question = Question(policy["name"], other)
            model.hold(still=True)

    def _answer(self, question: Question, key: str) -> None:
        model = self.model
        model.question = None
        model.hold(still=False)
        if key in {"y", "Y"}:
            model.say(f"policy {question.policy}: asking for mode {question.mode}")
            self.errands.set_mode(question.policy, question.mode)
        else:
            model.say("nothing changed")
