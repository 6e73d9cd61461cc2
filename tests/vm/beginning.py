# SPDX-License-Identifier: MIT
"""Containers that begin as a runtime begins them, and the daemon as a hook asks it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import Any

import attrs
import pods
from daemon import until
from pods import Container

from enforcer import places
from enforcer.runtime.control.protocol import CONTAINER_BEGINS, STATUS, Client

__all__ = ["CLOSED", "NO", "Begun", "announce", "asked", "generation"]

NO = "EACCES"
CLOSED = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: closed}
spec:
  selector: {container: {name: closed}}
  rules: [{exec: {}, match: {path: /bin/app}, action: allow}]
  default: {exec: {deny: {errno: EACCES}}}
"""
"""A list of what may run, in the containers of one name."""


@attrs.define
class Begun(Container):
    """
    One that is begun by a runtime.

    Attributes:
        lead: where links below its /data lead, by name.
        how: whether its runtime announces it, or the daemon finds it, or nobody describes it before its first program.
        has_company: somebody else is in the cgroup, who has begun to run a program there.
        has_attempted: so has the runtime itself.
        needed_an_image: to become known.
    """

    lead: dict[str, str] = attrs.field(factory=dict)
    how: str = "announced"
    has_company: bool = False
    has_attempted: bool = False
    needed_an_image: bool = False

    def describe(self) -> None:
        """Nothing describes it before it is there."""

    def _config(self) -> dict[str, Any]:
        return {**super()._config(), "root": {"path": str(self.root)}}

    def _run(self, program: str) -> subprocess.Popen[str]:
        for name, target in self.lead.items():
            (self.root / "data" / name).unlink()
            (self.root / "data" / name).symlink_to(target)
        process = self.process = self._attempted() if self.has_attempted else self._joined()
        with contextlib.ExitStack() as stack:
            company = None
            if self.has_company:
                company = stack.enter_context(self._attempted())
                assert NO == pods.ask(company, "open", self.root / "data/own")  # in doubt
            if self.how != "unknown":
                self._become_known(process)
            if company is not None:
                assert NO == pods.ask(company, "open", self.root / "data/main")
                assert "ok" == pods.ask(company, "open", self.root / "data/own")
                assert company.stdin is not None
                company.stdin.close()
        self.ask("enter", str(self.root), "ok")
        self.ask("become", program, "ready")
        return process

    def _become_known(self, process: subprocess.Popen[str]) -> None:
        before = generation()
        super().describe()
        if self.how == "announced":
            assert "known" == announce(self.id, process.pid)["outcome"]
        else:
            until(lambda: self.ask("open", str(self.root / "data/own")) == "ok")
        self.needed_an_image = before != generation()

    def _attempted(self) -> subprocess.Popen[str]:
        """Let one that has joined try to run a program, which is refused in doubt: it is the container, and no runtime."""
        process = self._joined()
        pods.ask(process, "become", "/bin/true", NO)
        return process


def asked(*what: Any, **fields: Any) -> Any:
    """Ask the daemon, and return what it answers."""
    with Client.connect(places.SOCKET, timeout=600) as client:
        return client.ask(*what, **fields)


def announce(number: str, pid: int) -> Any:
    """Do what the hook of a runtime does."""
    return asked(CONTAINER_BEGINS, id=number, pid=pid, began=time.monotonic(), wait=60)


def generation() -> int:
    """Of the image that counts."""
    return int(asked(STATUS)["status"]["generation"])
