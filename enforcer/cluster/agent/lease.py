# SPDX-License-Identifier: MIT
"""
Who of all agents sums up: the one that holds a Lease of the API server.

Clocks of nodes differ, so none is compared with another. A lease has expired for an agent that has seen it
unchanged for its whole duration, by the agent's own clock. A holder stops earlier than that.
"""

from __future__ import annotations

import random
import time
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import AnswerError, GarbageError, KubeError
from enforcer.cluster.agent.resource import metadata_of, version_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.cluster.agent.client import Client
    from enforcer.cluster.agent.troubles import Troubles

__all__ = ["NAME", "Election", "Term"]

NAME: Final = "enforcer-totals"
_WHAT: Final = "lease of the totals"
_NODES: Final = "enforcer.dev/nodes"
_MOST_NODES: Final = 100_000
_MISSING: Final = 404
_CONFLICT: Final = 409


@attrs.frozen
class Term:
    """
    How long a lease holds, and how often one looks at it, in seconds.

    Attributes:
        duration: unchanged for so long, it has expired.
        holds: so long after it asked, the holder takes itself for one. Less than *duration*, so that there
            are no two.
        renew: between two renewals.
        first: before the first look, from 0 to that: agents of all nodes may begin at once.
        rest: between two looks of an agent that waits, at least. A look is two requests, *duration* apart.
        looks: of all waiting agents together, in a second.
        failed: after a failure, from and to.
    """

    duration: float = 15.0
    holds: float = 10.0
    renew: float = 5.0
    first: float = 5.0
    rest: float = 10.0
    looks: float = 10.0
    failed: tuple[float, float] = (30.0, 90.0)


@attrs.define(eq=False, repr=False)
class Election:
    """
    Tries to hold the lease, in one thread; any thread may ask whether it does.

    Attributes:
        client: of this thread. It gives up earlier than the lease expires.
        namespace: of the lease.
        identity: of this process, and of no other.
        nodes: asked by the holder how many nodes there are, so that those who wait look the more seldom.
    """

    client: Client
    namespace: str
    identity: str
    troubles: Troubles
    ending: Event
    nodes: Callable[[], int]
    term: Term = attrs.field(factory=Term)
    clock: Callable[[], float] = time.monotonic
    _held_until: float = attrs.field(default=float("-inf"), init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _seen: tuple[Any, ...] | None = attrs.field(default=None, init=False)
    _seen_at: float = attrs.field(default=0.0, init=False)
    _waiting: int = attrs.field(default=0, init=False)
    _is_second: bool = attrs.field(default=False, init=False)

    @property
    def is_held(self) -> bool:
        """Whether this agent holds the lease. Without an answer in time it does not: nobody knows then."""
        with self._lock:
            return self.clock() < self._held_until

    def run(self) -> None:
        """Try until :attr:`ending`, then give the lease back."""
        try:
            self.ending.wait(random.uniform(0, self.term.first))  # noqa: S311 - spreads agents
            while not self.ending.is_set():
                self.ending.wait(self.look())
            self._release()
        finally:
            self._lose()
            self.client.close()

    def look(self) -> float:
        """Look at the lease, take it or renew it if that may be; returns the seconds to the next look."""
        try:
            self._try()
        except KubeError as error:
            if isinstance(error, AnswerError) and error.status == _CONFLICT:
                self._lose()  # another was faster, which is how it should be
            else:
                # It is held as long as it was: the holder may still be able to renew it.
                self.troubles.failed(_WHAT, error)
                if self.is_held:
                    return self.term.renew / 5
                return random.uniform(*self.term.failed)  # noqa: S311 - a pause
        self.troubles.works(_WHAT)
        return self._pause()

    def _pause(self) -> float:
        if self.is_held:
            self._is_second = False
            return self.term.renew * random.uniform(0.8, 1.0)  # noqa: S311 - a pause
        # Two requests in a row tell whether it is alive, and then there is a rest.
        self._is_second = not self._is_second
        if self._is_second:
            return self.term.duration * random.uniform(1.05, 1.3)  # noqa: S311 - a pause
        rest = max(self.term.rest, self._waiting / self.term.looks)
        return rest * random.uniform(0.5, 1.5)  # noqa: S311 - a pause

    def _try(self) -> None:
        """
        Take the lease or renew it, if that may be.

        Raises:
            KubeError: it is not known who holds it, or another took it meanwhile.
        """
        began = self.clock()
        try:
            found = self.client.get(f"{self._folder}/{NAME}", {})
        except AnswerError as error:
            if error.status != _MISSING:
                raise
            self._write(self.client.create, self._folder, self._lease(None, {}))
            return
        spec, meta = found.get("spec") or {}, metadata_of(found)
        if not isinstance(spec, dict):
            raise GarbageError("a lease that is none")
        self._waiting = _nodes_of(meta.get("annotations"))
        holder = spec.get("holderIdentity")
        if holder != self.identity:
            self._lose()
            said = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
            if said != self._seen:
                self._seen, self._seen_at = said, self.clock()
            if holder and began - self._seen_at < self.term.duration:
                return
        new = self._lease(version_of(found), spec)
        self._write(self.client.replace, f"{self._folder}/{NAME}", new)

    def _write(
        self, send: Callable[[str, dict[str, Any]], object], path: str, lease: dict[str, Any]
    ) -> None:
        began = self.clock()
        send(path, lease)
        with self._lock:
            self._held_until = began + self.term.holds

    def _lose(self) -> None:
        with self._lock:
            self._held_until = float("-inf")

    def _release(self) -> None:
        """Let another have it at once. If that fails, another has it when it has expired."""
        if not self.is_held:
            return
        self._lose()
        try:
            found = self.client.get(f"{self._folder}/{NAME}", {})
            spec = found.get("spec") or {}
            if spec.get("holderIdentity") == self.identity:
                lease = self._lease(version_of(found), spec)
                del lease["spec"]["holderIdentity"]
                self.client.replace(f"{self._folder}/{NAME}", lease)
        except KubeError:
            pass

    @property
    def _folder(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    def _lease(self, version: str | None, old: dict[str, Any]) -> dict[str, Any]:
        """Return the lease as this agent holds it; of *version*, so that the server refuses it if there is a newer."""
        now = _micro_time(time.time())
        is_own = old.get("holderIdentity") == self.identity
        changes = old.get("leaseTransitions")
        count = changes if isinstance(changes, int) and changes >= 0 else 0
        meta: dict[str, Any] = {
            "name": NAME,
            "namespace": self.namespace,
            # Who has just begun to hold it has not counted yet.
            "annotations": {_NODES: str(self.nodes() or self._waiting)},
        }
        if version is not None:
            meta["resourceVersion"] = version
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": max(1, round(self.term.duration)),
                "acquireTime": (old.get("acquireTime") if is_own else None) or now,
                "renewTime": now,
                "leaseTransitions": count if is_own else count + (version is not None),
            },
        }


def _nodes_of(annotations: object) -> int:
    """Return how many nodes the holder says there are; 0 if that makes no sense."""
    text = annotations.get(_NODES) if isinstance(annotations, dict) else None
    is_number = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 6
    return min(int(text or "0"), _MOST_NODES) if is_number else 0


def _micro_time(seconds: float) -> str:
    """Write a time as leases have it, with six digits of a second."""
    whole = int(seconds)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{int((seconds - whole) * 1_000_000):06}Z"
