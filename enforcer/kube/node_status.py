# SPDX-License-Identifier: MIT
"""What a node reports to the API server: the status of its ``EnforcerNode``."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.kube.errors import printable
from enforcer.kube.field_path import field_at
from enforcer.kube.rollout import EVERYWHERE
from enforcer.policy.text.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from enforcer.kube.engine_results import FileResult, Results
    from enforcer.kube.policy_state import PolicyObject, Refusal, Version

__all__ = ["NodeStatus", "facts_of"]

_OLD: Final = 60.0  # seconds; the engine writes four times as often
_MAX_POLICIES: Final = 5000
_MAX_MESSAGES: Final = 100
"""Policies whose errors are told: an object of the API server has some 1.5 MiB at most."""


_GUESS: Final = "the labels of the node are not known: the policy stays as it was here, and only records if it is new"


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
        self, results: Results | None, objects: Iterable[tuple[str, PolicyObject]]
    ) -> dict[str, Any]:
        """
        Return the status, without the time at which it is sent.

        Args:
            results: what the engine said last; None: nothing.
            objects: of each file of a policy, its name and its object.
        """
        status: dict[str, Any] = {"policies": [], "conditions": []}
        if results is not None:
            status |= {
                "version": results.version,
                "kernel": results.kernel,
                "generation": results.generation,
                "mode": results.mode,
                "lost": results.lost,
                "policies": self._policies(results, objects),
            }
        status["conditions"] = [self._condition(results, status["policies"])]
        return status

    def _policies(
        self, results: Results, objects: Iterable[tuple[str, PolicyObject]]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        told, names = 0, set[str]()
        for name, item in objects:
            path = self.folder / name
            result = results.files.get(str(path))
            if len(found) == _MAX_POLICIES or (result is None and item.refusal is None):
                continue  # the engine has not looked yet
            if item.label in names:
                continue  # of two kinds under one name, which nobody could tell apart
            names.add(item.label)
            entry: dict[str, Any] = {"name": item.label}
            if item.refusal is not None:
                entry |= _not_written(item.refusal, result)
            elif result is not None:
                entry |= {"state": result.state, "denials": result.denials}
                # Of a text that is not known any more, nothing is claimed.
                if (version := item.versions.get(result.digest or "")) is not None:
                    entry |= _of_version(version)
                if result.reason:
                    entry["reason"] = result.reason
                    if told < _MAX_MESSAGES:
                        told += 1
                        entry |= _why(path, result)
            found.append(entry)
        return found

    def _condition(self, results: Results | None, policies: list[dict[str, Any]]) -> dict[str, Any]:
        wrong = sum(each["state"] in {"older", "refused"} for each in policies)
        if results is None:
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
        elif wrong:
            said = ("True", "SomeRefused", f"policies that are not active as written: {wrong}")
        else:
            # No text is empty: Kubernetes 1.20 makes null of one where another was, and refuses the whole.
            said = ("True", "Active", "policies are active as they are written")
        state, reason, message = said
        if self._ready[0] != state:
            self._ready = state, rfc3339(self.clock())
        return {
            "type": "Ready",
            "status": state,
            "reason": reason,
            "message": message,
            "lastTransitionTime": self._ready[1],
        }


def _of_version(version: Version) -> dict[str, Any]:
    """Return of which generation an entry is, and what its rollout makes of it. Most have none, and say nothing."""
    found: dict[str, Any] = {"observedGeneration": version.generation}
    if version.rollout != EVERYWHERE:
        found["rollout"] = version.rollout
    if version.is_held:
        found["held"] = True
    if version.is_guess:
        found |= {"reason": "LabelsUnknown", "message": _GUESS}
    return found


def _not_written(refusal: Refusal, result: FileResult | None) -> dict[str, Any]:
    """Return the entry of a policy whose newest version the agent has refused: what was active is so still."""
    is_active = result is not None and result.state != "refused"
    return {
        "state": "older" if is_active else "refused",
        "denials": 0 if result is None else result.denials,
        "observedGeneration": refusal.generation,
        "reason": "Rollout",
        "message": printable(refusal.message),
        "path": printable(refusal.path),
    }


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
