# SPDX-License-Identifier: MIT
"""
Tell the API server how this node is, in a thread of its own.

What fails here is told and tried again, and nothing that is enforced waits for it.
"""

from __future__ import annotations

import random
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.engine_results import read_results
from enforcer.cluster.agent.errors import AnswerError, KubeError
from enforcer.cluster.agent.node_status import NodeStatus, facts_of, rfc3339
from enforcer.policy.language.kube import NODE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.cluster.agent.client import Client
    from enforcer.cluster.agent.engine_results import Results
    from enforcer.cluster.agent.node_object import NodeObject
    from enforcer.cluster.agent.policy_state import PolicyStates
    from enforcer.cluster.agent.troubles import Troubles

__all__ = ["Reporter", "Tempo"]

_WHAT: Final = "status of this node"
_JOIN: Final = 2.0
_OWNER: Final = "owner of the status"
_MISSING: Final = 404
_NOT_ALLOWED: Final = frozenset({403, 422})


@attrs.frozen
class Tempo:
    """
    How often a node reports, in seconds. Thousands of nodes share one API server.

    Attributes:
        look: between two looks at what the engine says.
        least: between two reports, whatever has changed.
        counts: between two reports of which only counts differ.
        alive: without any change, from and to.
        failed: after a failure, from and to.
    """

    look: float = 2.0
    least: float = 5.0
    counts: float = 60.0
    alive: tuple[float, float] = (240.0, 360.0)
    failed: tuple[float, float] = (15.0, 45.0)


@attrs.define(eq=False, repr=False)
class Reporter:
    """
    Reports the status of the node *node*.

    Attributes:
        results: the file of the engine.
        states: which text is of which version.
        own: the node's object, which is to be the owner of the report: it goes with the node then.
        heard: is told, too, what the engine says; it must not wait.
    """

    node: str
    client: Client
    results: Path
    states: PolicyStates
    status: NodeStatus
    troubles: Troubles
    own: NodeObject
    tempo: Tempo = attrs.field(factory=Tempo)
    heard: Callable[[Results | None], None] = lambda _: None
    _ending: Event = attrs.field(factory=Event, init=False)
    _thread: Thread | None = attrs.field(default=None, init=False)
    _sent: dict[str, Any] | None = attrs.field(default=None, init=False)
    _sent_at: float = attrs.field(default=0.0, init=False)
    _alive_at: float = attrs.field(default=0.0, init=False)
    _not_before: float = attrs.field(default=0.0, init=False)
    _owner: str = attrs.field(default="", init=False)
    _owner_tried: str = attrs.field(default="", init=False)
    _owner_after: float = attrs.field(default=0.0, init=False)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End. Idempotent."""
        self._ending.set()
        self.client.interrupt()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self.look()
                self._ending.wait(self.tempo.look)
        except Exception as bug:  # noqa: BLE001 - reports end, enforcement must not
            self.troubles.failed(_WHAT, f"no more reports, which is a bug: {bug!r}")
        finally:
            self.client.close()

    def look(self) -> None:
        """Look what there is to report, and send it if it is time."""
        now = time.monotonic()
        if now < self._not_before:
            return
        problems: list[str] = []
        results = read_results(self.results, problems.append)
        self.heard(results)
        status = self.status.make(results, self.states.all(), *problems)
        if not self._is_due(status, now):
            return
        try:
            self._send(status)
        except KubeError as error:
            self._not_before = now + random.uniform(*self.tempo.failed)  # noqa: S311 - a pause
            if not self._ending.is_set():
                self.troubles.failed(_WHAT, error)
            return
        self.troubles.works(_WHAT)
        self._sent, self._sent_at = status, now
        self._not_before = now + self.tempo.least
        self._alive_at = now + random.uniform(*self.tempo.alive)  # noqa: S311 - as above

    def _is_due(self, status: dict[str, Any], now: float) -> bool:
        if self._sent is None or now >= self._alive_at or self._is_owner_due(now):
            return True
        if facts_of(status) != facts_of(self._sent):
            return True
        return status != self._sent and now >= self._sent_at + self.tempo.counts

    def _send(self, status: dict[str, Any]) -> None:
        """
        Send *status*; the object is made if there is none.

        Raises:
            KubeError: it cannot be sent.
        """
        head = {
            "apiVersion": NODE.api_version,
            "kind": NODE.kind,
            "metadata": {"name": self.node},
        }
        document = {**head, "status": {**status, "lastSeen": rfc3339(self.status.clock())}}
        self._let_own(head)
        try:
            self._apply("/status", document)
        except AnswerError as error:
            if error.status != _MISSING:
                raise
            if self.own.was_deleted:
                # Made again, it would have no owner, and stay for ever.
                raise KubeError("the node was deleted, and its status with it") from error
            self._owner = self._owner_tried = ""
            self._let_own(head)
            if not self._owner:
                self._apply("", head)
            self._apply("/status", document)

    def _apply(self, part: str, document: dict[str, Any]) -> None:
        path = f"/apis/{NODE.group}/{NODE.version}/{NODE.plural}/{self.node}{part}"
        self.client.apply(path, f"enforcer-node-{self.node}"[:128], document)

    # ---- The owner -----------------------------------------------------------------------------

    def _is_owner_due(self, now: float) -> bool:
        """Whether the node's object is to be made the owner: it is another one, or was not allowed to be."""
        uid = self.own.uid
        is_new = uid != self._owner_tried or now >= self._owner_after
        return uid not in {"", self._owner} and is_new

    def _let_own(self, head: dict[str, Any]) -> None:
        """
        Let the node's object own what has *head*, which is made if there is none.

        Some servers let nobody name an owner who may not also delete what is owned. Without an owner, all
        else goes on, and somebody else removes the reports of nodes that are gone.

        Raises:
            KubeError: it is not known what the server did.
        """
        now, uid = time.monotonic(), self.own.uid
        if not self._is_owner_due(now):
            return
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": uid}
        meta = {**head["metadata"], "ownerReferences": [owner]}
        self._owner_tried = uid
        self._owner_after = now + random.uniform(*self.tempo.alive)  # noqa: S311 - a pause
        try:
            self._apply("", {**head, "metadata": meta})
        except AnswerError as error:
            if error.status not in _NOT_ALLOWED:
                raise
            self.troubles.failed(_OWNER, error)
        else:
            self._owner = uid
            self.troubles.works(_OWNER)
