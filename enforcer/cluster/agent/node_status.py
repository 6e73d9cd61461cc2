# SPDX-License-Identifier: MIT
"""What a node reports to the API server: the status of its ``EnforcerNode``."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import printable
from enforcer.cluster.agent.field_path import field_at
from enforcer.cluster.agent.resource import FOREIGN
from enforcer.cluster.agent.rollout import EVERYWHERE
from enforcer.policy.text.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from enforcer.cluster.agent.engine_results import FileResult, Results
    from enforcer.cluster.agent.policy_state import PolicyObject, Refusal, Version

__all__ = ["NodeStatus", "facts_of"]

_FOREIGN: Final = frozenset(each.word for each in FOREIGN)
_OLD: Final = 60.0  # seconds; the engine writes four times as often
_MAX_POLICIES: Final = 5000
_MAX_MESSAGES: Final = 100
"""Policies whose errors are told."""

_MAX_BYTES: Final = 768 << 10
_MAX_TOLD_BYTES: Final = 256 << 10
"""
Bytes of JSON of all policies, and of what is told of errors besides: an object of the API server has some 1.5 MiB at
most, and one that is larger would be no report of anybody's policy.
"""

_GUESS: Final = "the labels of the node are not known: the policy stays as it was here, and only records if it is new"


@attrs.frozen(eq=False)
class _Report:
    """What is known of a policy: its object, its file, and what the engine says of that."""

    item: PolicyObject
    path: Path
    result: FileResult | None

    @property
    def state(self) -> str:
        """What of it is active."""
        said = self.result.state if self.result is not None else "refused"
        return "older" if self.item.refusal is not None and said != "refused" else said

    @property
    def has_message(self) -> bool:
        """Whether something is to be told of it."""
        return self.item.refusal is not None or bool(self.result is not None and self.result.reason)

    def entry(self, *, is_told: bool) -> dict[str, Any]:
        """Return what is reported of it; *is_told*: with the message, for which there is room."""
        denials = self.result.denials if self.result is not None else 0
        found: dict[str, Any] = {"name": self.item.label, "state": self.state, "denials": denials}
        if self.item.refusal is not None:
            found |= _not_written(self.item.refusal, is_told=is_told)
        elif self.result is not None:
            # Of a text that is not known any more, nothing is claimed.
            if (version := self.item.versions.get(self.result.digest or "")) is not None:
                found |= _of_version(version)
            if self.result.reason:
                found["reason"] = self.result.reason
                if is_told:
                    found |= _why(self.path, self.result)
        return found


def _fair(
    reports: Iterable[_Report],
    most: int,
    room: int,
    size: Callable[[_Report], int],
    is_last: Callable[[_Report], bool] = lambda _: False,
) -> list[_Report]:
    """
    Return *most* of *reports*, in their order: those that are *last* only then, and of each namespace as many.

    So whoever makes thousands of policies that are refused takes room from nobody else's. All together have no more
    than *room*, by what *size* says of each.
    """
    numbers: Counter[tuple[bool, str]] = Counter()
    ranks: list[tuple[bool, int, int, _Report]] = []
    for place, each in enumerate(reports):
        kind = is_last(each), each.item.namespace
        ranks.append((kind[0], numbers[kind], place, each))
        numbers[kind] += 1
    kept = []
    for rank in sorted(ranks)[:most]:
        room -= size(rank[-1])
        if room < 0:
            break
        kept.append(rank)
    return [each for *_, each in sorted(kept, key=lambda rank: rank[2])]


@attrs.define(eq=False, repr=False)
class NodeStatus:
    """
    Makes the status from what the engine says and from what the agent wrote.

    Attributes:
        folder: of the policy files, as the engine calls it.
        clock: seconds since 1970.
    """

    folder: Path
    clock: Callable[[], float] = time.time
    _ready: tuple[str, str] = attrs.field(default=("", ""), init=False)

    def make(
        self,
        results: Results | None,
        objects: Iterable[tuple[str, PolicyObject]],
        problem: str = "",
    ) -> dict[str, Any]:
        """
        Return the status, without the time at which it is sent.

        Args:
            results: what the engine said last; None: nothing.
            objects: of each file of a policy, its name and its object.
            problem: why what the engine said cannot be read, if it said something.
        """
        status: dict[str, Any] = {"policies": [], "conditions": []}
        omitted = 0
        if results is not None:
            reports = self._reports(results, objects)
            kept = _fair(
                reports,
                _MAX_POLICIES,
                _MAX_BYTES,
                lambda each: _size(each.entry(is_told=False)),
                lambda each: each.state == "refused",
            )
            told = set(
                _fair(
                    (each for each in kept if each.has_message),
                    _MAX_MESSAGES,
                    _MAX_TOLD_BYTES,
                    lambda each: _size(each.entry(is_told=True)),
                )
            )
            omitted = len(reports) - len(kept) + results.omitted
            status |= {
                "version": results.version,
                "kernel": results.kernel,
                "generation": results.generation,
                "mode": results.mode,
                "lost": results.lost,
                "policies": [each.entry(is_told=each in told) for each in kept],
            }
        said = self._said(results, status["policies"], problem)
        status["conditions"] = [self._condition(*said, omitted)]
        return status

    def _reports(
        self, results: Results, objects: Iterable[tuple[str, PolicyObject]]
    ) -> list[_Report]:
        found: dict[str, _Report] = {}
        known = list(objects)
        own = {item.label for _, item in known if item.word not in _FOREIGN}
        for name, item in known:
            if item.word in _FOREIGN and item.label in own:
                continue  # whoever sums up would take it for the policy that has a status
            result = results.files.get(str(self.folder / name))
            if result is None and item.refusal is None:
                continue  # the engine has not looked yet
            # Of two kinds under one name, nobody could tell the second apart.
            found.setdefault(item.label, _Report(item, self.folder / name, result))
        return list(found.values())

    def _said(
        self, results: Results | None, policies: list[dict[str, Any]], problem: str
    ) -> tuple[str, str, str]:
        """Return status, reason and message of the condition."""
        wrong = sum(each["state"] in {"older", "refused"} for each in policies)
        if results is None and problem:
            said = (
                "Unknown",
                "Unreadable",
                f"what the engine says cannot be read: {printable(problem)}",
            )
        elif results is None:
            said = (
                "False",
                "NoEngine",
                "the engine says nothing: it does not run, or not with --results",
            )
        elif self.clock() - results.time > _OLD:
            said = (
                "Unknown",
                "Old",
                "the engine said something a while ago: what was active stays so",
            )
        elif results.problem:
            said = (
                "False",
                "NotActivated",
                f"what was active stays so, and changes are tried again: {printable(results.problem)}",
            )
        elif wrong:
            said = ("True", "SomeRefused", f"policies that are not active as written: {wrong}")
        else:
            # No text is empty: Kubernetes 1.20 makes null of one where another was, and refuses the whole.
            said = ("True", "Active", "policies are active as they are written")
        if results is not None and results.enforces:
            status, reason, message = said
            said = (status, reason, f"{message}: {printable(results.enforces)}")
        return said

    def _condition(self, state: str, reason: str, message: str, omitted: int) -> dict[str, Any]:
        if omitted:
            message += f"; the report has no room for {omitted} others"
        if self._ready[0] != state:
            self._ready = state, rfc3339(self.clock())
        return {
            "type": "Ready",
            "status": state,
            "reason": reason,
            "message": message,
            "lastTransitionTime": self._ready[1],
        }


def _size(entry: dict[str, Any]) -> int:
    """Return how many bytes *entry* has as it is sent, which is never less than a server keeps."""
    return len(json.dumps(entry)) + 2


def _of_object(known: Version | Refusal) -> dict[str, Any]:
    """Return of which object, and of which generation of it, an entry is: one that is made again begins with 1 again."""
    uid = {"uid": known.uid} if known.uid else {}
    return {"observedGeneration": known.generation, **uid}


def _of_version(version: Version) -> dict[str, Any]:
    """Return of which generation an entry is, and what its rollout makes of it. Most have none, and say nothing."""
    found = _of_object(version)
    if version.rollout != EVERYWHERE:
        found["rollout"] = version.rollout
    if version.is_held:
        found["held"] = True
    if version.is_guess:
        found |= {"reason": "LabelsUnknown", "message": _GUESS}
    return found


def _not_written(refusal: Refusal, *, is_told: bool) -> dict[str, Any]:
    """Return what is said of a policy whose newest version the agent has refused: what was active is so still."""
    found = {**_of_object(refusal), "reason": refusal.reason}
    if is_told:
        found |= {"message": printable(refusal.message), "path": printable(refusal.path)}
    return found


def facts_of(status: dict[str, Any]) -> dict[str, Any]:
    """
    Return *status* without counts: what is told at once when it changes.

    The generation is one, since it counts containers that come and go, too.
    """
    policies = [
        {key: value for key, value in each.items() if key != "denials"}
        for each in status["policies"]
    ]
    rest = {key: value for key, value in status.items() if key not in {"lost", "generation"}}
    return {**rest, "policies": policies}


def rfc3339(seconds: float) -> str:
    """Write a time as the API server does."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _why(path: Path, result: FileResult) -> dict[str, str]:
    """Return the message of *result*, and where its first error is."""
    first, *rest = result.message.split("\n")
    place = re.match(rf"{re.escape(str(path))}:(\d+):(\d+): ", first)
    if place is None:
        return {"message": printable(result.message)}
    more = f" (and {len(rest)} more)" if rest else ""
    found = {"message": printable(first[place.end() :]) + more}
    field = _field(path, result, int(place[1]))
    return {**found, "path": field or f"{place[1]}:{place[2]}"}


def _field(path: Path, result: FileResult, line: int) -> str:
    """Return the field on *line* of the text that is meant; nothing if the file says something else by now."""
    try:
        text = path.read_bytes()
    except OSError:
        return ""
    if digest_of(text) != result.digest:
        return ""
    return printable(field_at(text.decode("utf-8", "replace"), line))
