# SPDX-License-Identifier: MIT
"""
The agent: a thread for each resource, and one that writes.

Only the thread of :meth:`Agent.run` touches files, in the order in which the news came. What fails here,
the engine does not notice: it goes on with the files as they are.
"""

from __future__ import annotations

import contextlib
import time
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from enforcer.cluster.agent.client import Client
from enforcer.cluster.agent.errors import KubeError
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.pod_file import PodFile
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.resource import FOREIGN, POLICIES, Listed, node_of, pods_of
from enforcer.cluster.agent.room import POLICY_ROOM, policy_room
from enforcer.cluster.agent.small_objects import small
from enforcer.cluster.agent.troubles import Troubles
from enforcer.cluster.agent.watcher import Pace, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from enforcer.cluster.agent.access import Access
    from enforcer.cluster.agent.resource import News, Resource
    from enforcer.cluster.agent.room import ListRoom

__all__ = ["Agent", "Plan", "Reporting"]

_FILES: Final = "files"
_AGAIN: Final = 5.0  # seconds after which what could not be written is tried again
_IDLE: Final = 3600.0
_SELDOM: Final = 60.0  # seconds between two sentences on the same that changes
_JOIN: Final = 2.0  # seconds for threads to end; a connect that hangs is left to itself


@attrs.frozen
class Plan:
    """
    What the agent does.

    Attributes:
        access: the way to the API server.
        node: whose pods are wanted.
        folder: what is written lies in it.
        pace: how it spends its time.
        foreign: kinds of other engines that are followed, too.
    """

    access: Access
    node: str
    folder: Path
    pace: Pace = attrs.field(factory=Pace)
    foreign: tuple[Resource, ...] = ()

    @property
    def policies(self) -> Path:
        """The folder of policy files."""
        return self.folder / "policies"

    @property
    def pods(self) -> Path:
        """The folder of the file of pods."""
        return self.folder / "pods"

    @property
    def state(self) -> Path:
        """A file of the agent's own."""
        return self.folder / "agent/state.json"

    @property
    def labels(self) -> Path:
        """The file of what was last known of the node's labels."""
        return self.folder / "agent/node.json"

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is listed and watched."""
        # The node first: where all is listed once, its labels are known before a policy asks for them.
        return (self.own_node, *self.kinds, pods_of(self.node))

    @property
    def kinds(self) -> tuple[Resource, ...]:
        """Policies that are followed."""
        return (*POLICIES, *self.foreign)

    @property
    def own_node(self) -> Resource:
        """The object of this node."""
        return node_of(self.node)

    def client(self, resource: Resource | None = None) -> Client:
        """Make a client, for one thread, and for objects as *resource* wants them."""
        client = Client(self.access, silence=self.pace.answer)
        if resource is not None:
            client.accept, client.accept_events = resource.accept, resource.accept_events
        return client


class Reporting(Protocol):
    """Tells the API server how something is, beside everything else."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End. Idempotent."""


@attrs.define(eq=False, repr=False)
class Agent:
    """
    Keeps the files as the API server says.

    Attributes:
        report: gets sentences.
        states: which text is of which version.
        node: what is known of this node.
        reporting: what tells the API server something, beside that.
    """

    plan: Plan
    report: Callable[[str], None]
    troubles: Troubles = attrs.field()
    states: PolicyStates = attrs.field()
    node: NodeObject = attrs.field()
    reporting: tuple[Reporting, ...] = ()
    _folder: PolicyFolder = attrs.field(init=False)
    _pods: PodFile = attrs.field(init=False)
    _room: ListRoom = attrs.field(init=False)
    _news: SimpleQueue[News | None] = attrs.field(factory=SimpleQueue, init=False)
    _ending: Event = attrs.field(factory=Event, init=False)
    _unlisted: set[str] = attrs.field(factory=set, init=False)
    _bug: BaseException | None = attrs.field(default=None, init=False)
    _missing: tuple[str, float] = attrs.field(default=("", 0.0), init=False)

    @troubles.default
    def _own_troubles(self) -> Troubles:
        return Troubles(self.report)

    @states.default
    def _own_states(self) -> PolicyStates:
        return PolicyStates(self.plan.state)

    @node.default
    def _own_node(self) -> NodeObject:
        return NodeObject(self.plan.labels, self.plan.node)

    def __attrs_post_init__(self) -> None:
        self._room = policy_room(POLICY_ROOM // len(self.plan.kinds))
        self._folder = PolicyFolder(self.plan.policies, self.states, self.node)
        self._pods = PodFile(self.plan.pods, self.plan.node)
        self._unlisted = {each.path for each in self.plan.resources}

    def open(self) -> None:
        """
        Make the folders, and read what was kept.

        Raises:
            OSError: the files cannot be written.
        """
        self._folder.open()
        self._pods.open()
        self.plan.state.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.states.read()
        self.node.read()
        for each in FOREIGN:
            if each not in self.plan.foreign:
                self._folder.drop(each)

    def once(self) -> None:
        """
        List everything, write it, and end.

        Raises:
            KubeError: something cannot be listed; what could be is written, whichever came first.
            OSError: it cannot be written.
        """
        failures: dict[str, KubeError] = {}  # one sentence where nobody answers
        try:
            for resource in self.plan.resources:
                if (error := self._listed(resource)) is not None:
                    failures.setdefault(str(error), error)
        finally:
            for news in self._waiting():
                self._take(news)
            self._write()
        if failures:
            raise KubeError("; ".join(failures)) from next(iter(failures.values()))

    def _listed(self, resource: Resource) -> KubeError | None:
        """List *resource*; return why it cannot be."""
        with contextlib.closing(self.plan.client(resource)) as client:
            watcher = self._watcher(resource, client)
            try:
                watcher.list()
            except KubeError as error:
                return None if watcher.may_lack(error) else error
        return None

    def stop(self) -> None:
        """End :meth:`run`; a handler of a signal may call it."""
        self._ending.set()
        self._news.put(None)

    def run(self) -> None:
        """
        Follow the API server until :meth:`stop`.

        Raises:
            Exception: a bug of ours ended a thread. Whoever started this begins it again; the files stay.
        """
        watchers = [self._watcher(each, self.plan.client(each)) for each in self.plan.resources]
        threads = [
            Thread(target=self._guarded, args=(each,), name=each.resource.word, daemon=True)
            for each in watchers
        ]
        for thread in threads:
            thread.start()
        for each in self.reporting:
            each.start()
        try:
            while not self._ending.is_set():
                self._turn()
        finally:
            self._ending.set()
            for watcher in watchers:
                watcher.client.interrupt()
            for each in self.reporting:
                each.close()
            end = time.monotonic() + _JOIN
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
        if self._bug is not None:
            raise self._bug

    def _guarded(self, watcher: Watcher) -> None:
        """Run *watcher*. Without it, files would age and nobody would know: so whatever ends it ends all."""
        try:
            watcher.run()
        except Exception as bug:  # noqa: BLE001 - it is raised where it can end the process
            self._bug = bug
            self.stop()

    # ---- News ----------------------------------------------------------------------------------

    def _watcher(self, resource: Resource, client: Client) -> Watcher:
        return Watcher(
            resource,
            client,
            tell=self._news.put,
            failed=lambda error: self.troubles.failed(resource.path, error),
            works=lambda: self.troubles.works(resource.path),
            ending=self._ending,
            pace=self.plan.pace,
            kept=small,
            room=self._room_of(resource),
        )

    def _room_of(self, resource: Resource) -> ListRoom | None:
        if resource in self.plan.kinds:
            return self._room
        return None if resource == self.plan.own_node else self._pods.room

    def _turn(self) -> None:
        """Wait for news, take all that there is, and write."""
        is_behind = any(each.is_behind for each in (self._folder, self._pods, self.node))
        try:
            self._take(self._news.get(timeout=_AGAIN if is_behind else _IDLE))
        except Empty:
            pass
        else:
            # One after the other: a list that was taken is not held while the next one is.
            for _ in range(self._news.qsize()):
                self._take(self._news.get_nowait())
        try:
            self._write()
        except OSError as error:
            self.troubles.failed(_FILES, _said(error))
        else:
            self.troubles.works(_FILES)

    def _waiting(self) -> Iterator[News | None]:
        while True:
            try:
                yield self._news.get_nowait()
            except Empty:
                return

    def _take(self, news: News | None) -> None:
        if news is None:
            return
        if isinstance(news, Listed) and news.resource.path in self._unlisted:
            self._unlisted.discard(news.resource.path)
            self.report(f"{news.resource.path}: {len(news.objects)} listed")
        if news.resource in self.plan.kinds:
            self._folder.take(news)
        elif news.resource == self.plan.own_node:
            if self.node.take(news):
                self._folder.relabel()
            self._pods.know_node(self.node.uid)
        else:
            self._pods.take(news)

    def _write(self) -> None:
        """
        Write what there is, pods first: policies ask about them.

        Raises:
            OSError: something cannot be written; the rest was.
        """
        failure: OSError | None = None
        for write in (self._write_pods, self.node.write, self._write_policies):
            try:
                write()
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _write_pods(self) -> None:
        """Write pods, and say at times what is missing of them: its numbers change with every pod."""
        self._pods.write()
        missing, now = self._pods.missing, time.monotonic()
        told, since = self._missing
        if missing != told and (not since or now - since >= _SELDOM):
            self._missing = missing, now
            self.report(f"pods: {missing or 'all are in the file, with their labels'}")

    def _write_policies(self) -> None:
        self.states.write()
        written, removed = self._folder.write()
        if written or removed:
            self.report(f"policies: {written} written, {removed} removed")


def _said(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
