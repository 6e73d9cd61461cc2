# SPDX-License-Identifier: MIT
"""
Random accesses among random changes of names, mounts, subjects and policies, each held against the reference.

Whoever acts is an agent. Before each change one does several times what it does after it, so that there is
every reason to remember.
"""

from __future__ import annotations

import errno
import functools
import operator
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs
from agent import Agent, forget, intern
from hostnames import Found, Node, View
from judge import Judge
from storm_policy import ADDRESSES, GROUP, IDS, PORTS, PROGRAMS, TOPS, policy

from enforcer.policy.language.vocabulary import ObjectFlag, Op

__all__ = ["Storm"]

POINTS = 4
MOST_DIRECTORIES = 60
MOST_ANSWERS = 20_000
OPENS = {
    "read": (os.O_RDONLY, (Op.READ,)),
    "write": (os.O_WRONLY, (Op.WRITE,)),
    "both": (os.O_RDWR, (Op.READ, Op.WRITE)),
    "append": (os.O_WRONLY | os.O_APPEND, (Op.APPEND,)),
    "both, append": (os.O_RDWR | os.O_APPEND, (Op.READ, Op.APPEND)),
}
_DEPTH = 4


@attrs.define(eq=False)
class Storm:
    """
    One world, and what is done in it. *reload* makes a variant of the policies the active one.

    *seen*: how often what has happened, so that a test can tell that it did.
    """

    root: Path
    random: Random
    reload: Callable[[str], object]
    host: View = attrs.field(init=False)
    top: Node = attrs.field(init=False)
    points: list[Node] = attrs.field(init=False)
    agents: list[Agent] = attrs.field(factory=list, init=False)
    mover: Agent = attrs.field(init=False)
    judges: dict[str, Judge] = attrs.field(factory=dict, init=False)
    variant: str = attrs.field(default="a", init=False)
    seen: dict[str, int] = attrs.field(factory=dict, init=False)
    _last: deque[object] = attrs.field(factory=lambda: deque(maxlen=16), init=False)

    def __attrs_post_init__(self) -> None:
        self.judges = {v: Judge.of(policy(self.root, v)) for v in "abc"}
        self.host = View(Node(children={}, is_root=True), is_host=True)
        node = self.host.root
        for name in self.root.parts[1:]:
            node = node.add(name, is_directory=True)
        self._populate(node)
        programs = self.root / "bin"
        self.mover = Agent.start(self.root / "mover", "mover", self.host)
        for number, program in enumerate((*PROGRAMS, "other", "trusted")):
            self.agents.append(Agent.start(programs / program, f"{program}-{number}", self.host))

    def _populate(self, base: Node) -> None:
        before = os.umask(0)
        self.top = base.add("t", is_directory=True)
        (self.root / "t").mkdir()
        for top in TOPS:
            for folder in (top, f"{top}/d0", f"{top}/d1"):
                self._file_in(folder)
        mounts = base.add("m", is_directory=True)
        for n in range(POINTS):
            (self.root / "m" / f"x{n}").mkdir(parents=True)
            mounts.add(f"x{n}", is_directory=True)
        self.points = list((mounts.children or {}).values())
        programs = base.add("bin", is_directory=True)
        for name in PROGRAMS:
            programs.add(name)
        os.umask(before)

    def _file_in(self, folder: str) -> None:
        place = self.root / "t" / folder
        place.mkdir()
        node = self.top
        *above, last = folder.split("/")
        for name in above:
            node = (node.children or {})[name]
        node = node.add(last, is_directory=True)
        for n in range(3):
            (place / f"f{n}").write_text("content")
            node.add(f"f{n}")

    # ---- Accesses ----

    def views(self, agent: Agent, found: Found, node: Node | None) -> list[dict[str, Any]]:
        """By which names *agent* is judged at what it has found, or at the name that it makes there."""
        state = agent.state
        name = found.path.rpartition("/")[2]
        host = node.host_name() if node is not None else found.parent.host_name()
        if host is not None and node is None:
            host = f"{host.rstrip('/')}/{name}"
        claimed = (state.prefix + found.path).encode()
        if state.view.is_host:
            assert host is not None
            return [{"PATH": host.encode(), "flags": 0}]
        if host is None:
            flags = int(ObjectFlag.NSVIEW | ObjectFlag.OFFHOST)
            return [{"PATH": claimed, "flags": flags}]
        nsview = {"PATH": claimed, "flags": int(ObjectFlag.NSVIEW)}
        return [nsview, {"PATH": host.encode(), "flags": 0}]

    def is_refused(
        self, agent: Agent, ops: tuple[Op, ...], views: Sequence[dict[str, Any]], **more: Any
    ) -> bool:
        """Whether one of the names is refused."""
        judge, actor = self.judges[self.variant], agent.state.actor
        flags = more.pop("flags", 0)
        return any(
            judge.refuses(actor, ops, **{**view, **more, "flags": view["flags"] | flags})
            for view in views
        )

    def check(self, agent: Agent, words: Sequence[object], expected: int, times: int) -> None:
        """Do it, and compare: *expected* is 0, or the error of each time."""
        found = agent.do(*words, times=times)
        wanted = (times, 0) if not expected else (0, expected)
        self._last.append((agent.name, words, found))
        self._count(
            "refused" if expected == errno.EPERM else "permitted" if not expected else "missing"
        )
        message = (
            f"{agent.name} as {agent.state.actor.now} (parent {agent.state.actor.parent}) did {words} "
            f"under {self.variant!r}: {found}, not {wanted}; last: {list(self._last)}"
        )
        assert wanted == found, message

    def _count(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def access(self, agent: Agent, path: str, word: str, times: int) -> None:
        """Open a file, or map it, and compare."""
        found = agent.state.view.find(path)
        node = found.node if found else None
        words = ("map", path) if word == "map" else ("open", OPENS[word][0], path)
        ops = (Op.READ,) if word == "map" else OPENS[word][1]
        expected = errno.ENOENT
        if found is not None and node is not None:
            if node.children is not None:
                return
            views = self.views(agent, found, node)
            refused = self.is_refused(agent, ops, views)
            if word == "map" and not refused:
                refused = self.is_refused(agent, (Op.MMAP_EXEC,), views)
            expected = errno.EPERM if refused else 0
        self.check(agent, words, expected, times)

    def reach(self, agent: Agent, what: str, address: str, port: int, times: int) -> None:
        """Connect, send or bind, and compare."""
        op = {"connect": Op.CONNECT, "send": Op.SEND, "listen": Op.BIND}[what]
        bits = int.from_bytes(socket.inet_aton(address)) | 0xFFFF << 32
        refused = self.judges[self.variant].refuses(
            agent.state.actor, (op,), ADDR=bits, PORT=port, FAMILY=2, TYPE=2, PROTOCOL=17
        )
        self.check(agent, (what, address, port), errno.EPERM if refused else 0, times)

    # ---- Changes ----

    def files(self) -> list[Node]:
        """Each file that the host has below the directories."""
        return [n for n in self.top.below() if n.children is None and n.target is None]

    def directories(self) -> list[Node]:
        """Each directory there."""
        return [n for n in self.top.below() if n.children is not None]

    def rename(self) -> None:
        """A file gets another name, and it may be another's."""
        node, to = self.random.choice(self.files()), self.random.choice(self.directories())
        name = f"f{self.random.randrange(4)}"
        there = (to.children or {}).get(name)
        if there is node or (there is not None and there.children is not None):
            return
        if there is not None and there.target is not None:
            return
        self.mover.must("rename", 0, node.host_name(), f"{to.host_name()}/{name}")
        node.put(to, name)

    def rename_directory(self) -> None:
        """A directory gets a name that is free."""
        node, to = self.random.choice(self.directories()), self.random.choice(self.directories())
        name = self.random.choice(("d0", "d1", "d2"))
        if to.is_within(node) or node.parent is self.top or name in (to.children or {}):
            return
        self.mover.must("rename", 0, node.host_name(), f"{to.host_name()}/{name}")
        node.put(to, name)

    def exchange(self) -> None:
        """Two names are each the other's."""
        kind = self.random.choice((self.files, self.directories))
        one, other = self.random.sample(kind(), 2)
        if one.is_within(other) or other.is_within(one):
            return
        self.mover.must("rename", 2, one.host_name(), other.host_name())
        one.exchange(other)

    def remake(self) -> None:
        """A file goes, and another of the same name comes."""
        path = self.random.choice(self.files()).host_name()
        self.mover.must("unlink", path)
        self.mover.must("open", os.O_CREAT | os.O_EXCL | os.O_WRONLY, path)

    def link(self) -> None:
        """A file has a second name for a while."""
        path = self.random.choice(self.files()).host_name()
        self.mover.must("link", path, f"{path}-link")
        agent, word = self.random.choice(self.agents), self.random.choice(list(OPENS))
        found = agent.state.view.find(str(path))
        if found is not None and found.node is not None and found.node.host_name() == path:
            self.access(agent, str(path), word, 2)
        self.mover.must("unlink", f"{path}-link")

    def symlink(self) -> None:
        """A link comes or goes."""
        where = self.random.choice(self.directories())
        there = (where.children or {}).get("link")
        path = f"{where.host_name()}/link"
        if there is not None:
            self.mover.must("unlink", path)
            there.remove()
        else:
            target = str(self.random.choice(self.directories()).host_name())
            self.mover.must("symlink", target, path)
            where.add("link", target=target)

    def directory(self) -> None:
        """A directory with a file comes, or one that is empty goes, and its numbers are free."""
        where = self.random.choice(self.directories())
        name = self.random.choice(("e0", "e1"))
        path, there = f"{where.host_name()}/{name}", (where.children or {}).get(name)
        if there is None:
            if len(self.directories()) > MOST_DIRECTORIES:
                return
            self.mover.must("mkdir", path)
            made = where.add(name, is_directory=True)
            self.mover.must("open", os.O_CREAT | os.O_WRONLY, f"{path}/f1")
            made.add("f1")
        elif there.children is not None and not any(n.children is not None for n in there.below()):
            if any(
                there in (*v.covers, *functools.reduce(operator.iadd, v.covers.values(), []))
                for v in self._views()
            ):
                return
            for node in list(there.below()):
                self.mover.must("unlink", f"{path}/{node.name}")
            self.mover.must("rmdir", path)
            there.remove()

    def _views(self) -> list[View]:
        states = [s for agent in self.agents for s in (agent.state, *agent.waiting)]
        return [self.host, *(state.view for state in states)]

    def mount(self) -> None:
        """The host mounts something, moves it or takes it away."""
        point = self.random.choice(self.points)
        path = point.host_name()
        # A pattern on a mount point counts for what is mounted when the policy is loaded: file systems only, there.
        alike = self.points[:2] if point in self.points[:2] else self.points[2:]
        if point not in self.host.covers:
            if alike == self.points[2:]:
                shown = self.random.choice(self.directories())
                self.mover.must("bind", shown.host_name(), path)
            else:
                shown = Node(children={}, place=point)
                self.mover.must("tmpfs", path)
                self.mover.must("open", os.O_CREAT | os.O_WRONLY, f"{path}/f1")
                shown.add("f1")
            self.host.cover(point, shown)
            return
        free = [p for p in alike if p not in self.host.covers]
        if free and self.random.random() < 0.5:
            to = self.random.choice(free)
            self.mover.must("move", path, to.host_name())
            shown = self.host.uncover(point)
            self.host.cover(to, shown)
        else:
            self.mover.must("umount", path)
            shown, to = self.host.uncover(point), None
        if shown.parent is None:
            shown.place = to

    def identity(self) -> None:
        """An agent has other ids."""
        agent = self.random.choice(self.agents)
        if agent.state.is_kept:
            return
        uid, gid = self.random.choice(IDS), self.random.choice(IDS)
        agent.must("ids", uid, gid)
        now = agent.state.actor.now
        agent.become(attrs.evolve(now, uid=uid, euid=uid, gid=gid, egid=gid))

    def cgroup(self) -> None:
        """An agent is put into a cgroup, or out of it, by somebody else."""
        agent = self.random.choice(self.agents)
        group = self.random.choice(("", GROUP, f"{GROUP}/below"))
        place = Path("/sys/fs/cgroup", group, "cgroup.procs")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(agent.pid()))
        agent.become(attrs.evolve(agent.state.actor.now, cgroup=f"/{group}".encode()))

    def fork(self) -> None:
        """An agent goes on as its child, or what waits for the end of a child goes on."""
        agent = self.random.choice(self.agents)
        if agent.waiting and (len(agent.waiting) >= _DEPTH or self.random.random() < 0.5):
            agent.do("quit")
            agent.state = agent.waiting.pop()
            return
        agent.must("fork")
        agent.waiting.append(agent.state)
        agent.state = attrs.evolve(agent.state, actor=intern(agent.state.actor.fork()))

    def program(self) -> None:
        """An agent runs a program, or goes on as one."""
        agent = self.random.choice(self.agents)
        if agent.state.prefix:
            return
        path = str(self.root / "bin" / self.random.choice(PROGRAMS))
        child = intern(agent.state.actor.fork())
        before = agent.state
        agent.state = attrs.evolve(before, actor=child)
        runs = not self._is_kept_from_running(agent, path)
        agent.state = before
        self.check(agent, ("run", path), 0 if runs else errno.EPERM, 1)
        uid = before.actor.now.uid
        if self._is_kept_from_running(agent, path) or (uid and not agent.waiting):
            return
        self.check(agent, ("become", path), 0, 1)
        actor = intern(before.actor.exec(attrs.evolve(before.actor.now, exe=path.encode())))
        agent.state = attrs.evolve(before, actor=actor, is_kept=before.is_kept or bool(uid))

    def _is_kept_from_running(self, agent: Agent, path: str) -> bool:
        found = agent.state.view.find(path)
        assert found is not None
        views = self.views(agent, found, found.node)
        steps = ((Op.READ,), (Op.EXEC,), (Op.EXEC_CREDS,))
        return any(self.is_refused(agent, ops, views) for ops in steps)

    def namespace(self) -> None:
        """An agent has mounts of its own, or another root; so has nobody who waits for it."""
        agent = self.random.choice(self.agents)
        state = agent.state
        if not agent.waiting or state.prefix or state.actor.now.uid:
            return
        if state.view.is_host and self.random.random() < 0.6:
            agent.must("unshare")
            agent.state = attrs.evolve(state, view=state.view.copy())
        elif state.view.is_host or self.random.random() < 0.2:
            agent.must("chroot", self.root / "t")
            view = View(self.top, state.view.covers, is_host=state.view.is_host)
            agent.state = attrs.evolve(state, view=view, prefix=str(self.root / "t"))
        else:
            self._mount_within(agent)

    def _mount_within(self, agent: Agent) -> None:
        view = agent.state.view
        point = self.random.choice(self.directories())
        path = str(point.host_name())
        found = view.find(path)
        if found is None or found.node is None or found.node.children is None:
            return
        under = (found.parent.children or {})[found.path.rpartition("/")[2]]
        if under in view.covers:
            agent.must("umount", path)
            view.uncover(under)
        elif self.random.random() < 0.7:
            shown = view.find(str(self.random.choice(self.directories()).host_name()))
            if shown is None or shown.node is None or shown.node.children is None:
                return
            agent.must("bind", shown.path, path)
            view.cover(under, shown.node)
        else:
            agent.must("tmpfs", path)
            view.cover(under, Node(children={}))

    def make(self) -> None:
        """An agent makes a file, removes it, or gives it another name."""
        agent, where = self.random.choice(self.agents), self.random.choice(self.directories())
        path = f"{where.host_name()}/f{self.random.randrange(4)}".removeprefix(agent.state.prefix)
        found = agent.state.view.find(path)
        if found is None or (found.node is not None and found.node.children is not None):
            return
        views = self.views(agent, found, found.node)
        if found.node is None:
            refused = self.is_refused(agent, (Op.CREATE,), views, MODE=0o666)
            kept = refused or self.is_refused(agent, (Op.WRITE,), views)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            self.check(agent, ("open", flags, path), errno.EPERM if kept else 0, 1)
            if not refused:
                found.parent.add(found.path.rpartition("/")[2])
        else:
            refused = self.is_refused(agent, (Op.UNLINK, Op.NAME_GUARD), views)
            self.check(agent, ("unlink", path), errno.EPERM if refused else 0, 1)
            if not refused:
                found.node.remove()

    def change_policy(self) -> None:
        """What was allowed is denied, and the opposite."""
        self.variant = self.random.choice([v for v in "abc" if v != self.variant])
        self.reload(self.variant)

    # ---- A step ----

    def step(self, *, may_reload: bool) -> None:
        """Access, change, access."""
        random = self.random
        if sum(judge.size for judge in self.judges.values()) > MOST_ANSWERS:
            for judge in self.judges.values():
                judge.forget()
            forget(self.agents)
        agent, word = random.choice(self.agents), random.choice((*OPENS, "map"))
        mounted = [n for over in self.host.covers.values() for n in over[-1].below()]
        node = random.choice([*self.files(), *(n for n in mounted if n.children is None)])
        path = self._path_to(node).removeprefix(agent.state.prefix)
        where = (random.choice(ADDRESSES), random.choice(PORTS))
        what = random.choice(("connect", "send", "listen"))
        is_network = random.random() < 0.1
        if is_network:
            self.reach(agent, what, *where, 3)
        else:
            self.access(agent, path, word, 3)
        if may_reload:
            change: Callable[[], None] = self.change_policy
        else:
            change = random.choices(self._changes(), _WEIGHTS)[0]
        change()
        self._last.append(change.__name__)
        self._count(change.__name__)
        if is_network:
            self.reach(agent, what, *where, 2)
            return
        path = path if not agent.state.prefix or path.startswith("/") else f"/{path}"
        self.access(agent, path, word, 2)
        if node.host_name() is not None:
            now = self._path_to(node).removeprefix(agent.state.prefix)
            self.access(agent, now, word, 2)

    def _path_to(self, node: Node) -> str:
        """The host's name, or one through a mount of the host that shows it, or through a link."""
        path = str(node.host_name())
        shown = [(p, top) for p, (*_, top) in self.host.covers.items() if node.is_within(top)]
        if shown and self.random.random() < 0.3:
            point, top = self.random.choice(shown)
            return f"{point.host_name()}{path.removeprefix(str(top.host_name()))}"
        if self.random.random() < 0.1:
            parent = str(node.parent.host_name()) if node.parent is not None else ""
            for link in self.top.below():
                if link.target == parent:
                    return f"{link.host_name()}/{node.name}"
        return path

    def _changes(self) -> list[Callable[[], None]]:
        return [getattr(self, name) for name in _CHANGES]

    def end(self) -> None:
        """End whoever acts, and take away what is mounted."""
        for agent in self.agents:
            agent.end()
        for point in list(self.host.covers):
            self.mover.do("umount", point.host_name())
        self.mover.end()


_CHANGES = {
    "rename": 14,
    "rename_directory": 8,
    "exchange": 12,
    "remake": 6,
    "link": 4,
    "symlink": 3,
    "directory": 6,
    "mount": 8,
    "identity": 10,
    "cgroup": 6,
    "fork": 6,
    "program": 5,
    "namespace": 6,
    "make": 8,
}
_WEIGHTS = list(_CHANGES.values())
