# SPDX-License-Identifier: MIT
"""A control socket with everything behind it faked: what is asked is kept, what is answered is set."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import attrs

from enforcer.identity.login import login_of
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.control.peer import Peer
from enforcer.runtime.control.posture import Posture, Tally
from enforcer.runtime.control.server import ControlServer
from enforcer.runtime.reactor import Reactor

ME = str(Peer(os.getpid(), os.getuid(), login_of(os.getpid())))
"""What the audit trail calls this process."""

CHANGE = {
    "generation": 7,
    "previous": 6,
    "unchanged": False,
    "change": {"added": [], "removed": [], "changed": []},
    "lines": ["policy web: mode audit"],
    "warnings": [],
    "refused": [],
    "rules": 12,
    "seconds": {"compile": 0.1, "swap": 0.0012},
    "successor": False,
    "confirmWithin": None,
}

WEB = {
    "name": "web",
    "mode": "audit",
    "file": "/etc/enforcer/policies/web.yaml",
    "place": "/etc/enforcer/policies/web.yaml:4:3",
    "rules": 2,
    "enabled": True,
    "origin": "file",
    "modeSet": True,
    "older": False,
    "degraded": [],
    "enforced": 5,
    "refused": 3,
    "audited": 1200,
}

WEB_YAML = """\
# /etc/enforcer/policies/web.yaml:4:3
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata:
  name: web
spec:
  mode: audit
  message: ask me
  rules:
    # web.yaml:7:5
    - name: one
      exec: {}
      match: {path: /bin/bash}
      action: deny
"""


@attrs.define
class FakePolicyControl:
    """Answers with *answer*, or raises *error*."""

    answer: dict[str, Any] = attrs.field(factory=lambda: dict(CHANGE))
    error: Exception | None = None
    asked: list[tuple[Any, ...]] = attrs.field(factory=list)

    def _take(self, *words: Any) -> dict[str, Any]:
        self.asked.append(words)
        if self.error is not None:
            raise self.error
        return self.answer

    def reload(self, *, confirm_within: float | None = None) -> dict[str, Any]:
        return self._take("reload", confirm_within)

    def confirm(self) -> dict[str, Any]:
        return self._take("confirm")

    def posture(self) -> Posture:
        return Posture(tally=Tally(auditing=1, set_to_audit=("web",)), rules=2, programs=3)

    def describe(self) -> dict[str, Any]:
        return {
            "policies": [WEB],
            "posture": self.posture().as_dict(),
            "generationSeconds": 40.0,
            "pending": None,
            "metContainers": {
                "known": 4,
                "unasked": 3,
                "unknown": 2,
                "refused": 1,
                "late": 0,
                "slowestSeconds": 0.25,
            },
            "pinned": None,
            "runtimeChanges": [],
            "notActive": "",
            "refusedFiles": [],
        }

    def policies(self) -> list[dict[str, Any]]:
        self._take("policies")
        return [WEB, {**WEB, "name": "a", "modeSet": False, "enabled": False, "origin": "added"}]

    def show(self, name: str) -> dict[str, Any]:
        self._take("show", name)
        says = "web.yaml:7:5: policy 'web', rule 'one': deny"
        row = {
            "rule": "one",
            "place": "web.yaml:7:5",
            "says": says,
            "enforced": 3,
            "refused": 3,
            "audited": 0,
        }
        return {**WEB, "message": "ask me", "yaml": WEB_YAML, "rows": [row]}

    def add(self, texts: dict[str, str], *, confirm_within: float | None = None) -> dict[str, Any]:
        return self._take("add", texts, confirm_within)

    def remove(self, name: str, *, confirm_within: float | None = None) -> dict[str, Any]:
        return self._take("remove", name, confirm_within)

    def set_enabled(
        self, name: str, *, enabled: bool, confirm_within: float | None = None
    ) -> dict[str, Any]:
        return self._take("set_enabled", name, enabled, confirm_within)

    def meet(self, pid: int, number: str, *, began: float, wait: float) -> dict[str, Any]:
        return self._take("meet", pid, number, began, wait)

    def set_mode(
        self, name: str, mode: str, *, confirm_within: float | None = None
    ) -> dict[str, Any]:
        return self._take("set_mode", name, mode, confirm_within)


class Served:
    """A server whose loop runs in a thread of its own."""

    def __init__(
        self,
        path: Path,
        status: dict[str, Any] | None = None,
        overview: Overview | None = None,
        answer: dict[str, Any] | None = None,
    ) -> None:
        self.reactor = Reactor()
        self.stops = 0
        self.said: list[str] = []
        self.policies = FakePolicyControl()
        if answer is not None:
            self.policies.answer = answer
        self.state = status or {"pid": 7}
        self.on_stop = lambda: None
        self.leaves: dict[str, Any] = {"pinned": None, "elsewhere": [], "persists": False}
        self.server = ControlServer(
            path,
            self.reactor,
            lambda: self.state,
            self.stop,
            self.policies,
            report=self.said.append,
            overview=overview,
        )
        self.server.open()
        self.reactor.every(0.01, lambda: None)
        self.thread = threading.Thread(target=self.reactor.run)
        self.thread.start()

    def stop(self) -> dict[str, Any]:
        self.stops += 1
        self.on_stop()
        return {"pid": os.getpid(), **self.leaves}

    def call(self, function) -> None:
        """Run *function* inside the loop, and wait for it."""
        done = threading.Event()
        self.reactor.after(0, lambda: (function(), done.set()))
        assert done.wait(10)

    def close(self) -> None:
        self.reactor.stop()
        self.thread.join()
        self.server.close()
        self.reactor.close()
