# SPDX-License-Identifier: MIT
"""
Random accesses among random changes of names, mounts, subjects and policies: what the reference says of each.

Whoever acts is an agent. Before each change one does several times what it does after it, so that there is
every reason to remember. It is written as a script: only who plays it needs the kernel.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from hostnames import Found, Node, View
from judge import Judge
from role import Role, forget, intern
from storm_policy import ADDRESSES, GROUP, IDS, PORTS, PROGRAMS, policy
from world import World

from enforcer.policy.language.vocabulary import ObjectFlag, Op

__all__ = ["Storm"]

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
class Storm(World):
    """One world, and what is done in it; *variant*: of the policies that are active."""

    judges: dict[str, Judge] = attrs.field(init=False)
    variant: str = attrs.field(default="a", init=False)

    @judges.default
    def _of_each_variant(self) -> dict[str, Judge]:
        return {v: Judge.of(policy(self.root, v)) for v in "abc"}

    # ---- Accesses ----

    def views(self, agent: Role, found: Found, node: Node | None) -> list[dict[str, Any]]:
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
        self, agent: Role, ops: tuple[Op, ...], views: Sequence[dict[str, Any]], **more: Any
    ) -> bool:
        """Whether one of the names is refused."""
        judge, actor = self.judges[self.variant], agent.state.actor
        flags = more.pop("flags", 0)
        return any(
            judge.refuses(actor, ops, **{**view, **more, "flags": view["flags"] | flags})
            for view in views
        )

    def access(self, agent: Role, path: str, word: str, times: int) -> None:
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
        agent.expect(*words, times=times, error=expected)

    def reach(self, agent: Role, what: str, address: str, port: int, times: int) -> None:
        """Connect, send or bind, and compare."""
        op = {"connect": Op.CONNECT, "send": Op.SEND, "listen": Op.BIND}[what]
        bits = int.from_bytes(socket.inet_aton(address)) | 0xFFFF << 32
        refused = self.judges[self.variant].refuses(
            agent.state.actor, (op,), ADDR=bits, PORT=port, FAMILY=2, TYPE=2, PROTOCOL=17
        )
        error = errno.EPERM if refused else 0
        agent.expect(what, address, port, times=times, error=error)

    # ---- Changes ----

    def link(self) -> None:
        """A file has a second name for a while."""
        path = self.random.choice(self.files()).host_name()
        self.mover.expect("link", path, f"{path}-link")
        agent, word = self.random.choice(self.agents), self.random.choice(list(OPENS))
        found = agent.state.view.find(str(path))
        if found is not None and found.node is not None and found.node.host_name() == path:
            self.access(agent, str(path), word, 2)
        self.mover.expect("unlink", f"{path}-link")

    def identity(self) -> None:
        """An agent has other ids."""
        agent = self.random.choice(self.agents)
        if agent.state.is_kept:
            return
        uid, gid = self.random.choice(IDS), self.random.choice(IDS)
        agent.expect("ids", uid, gid)
        now = agent.state.actor.now
        agent.become(attrs.evolve(now, uid=uid, euid=uid, gid=gid, egid=gid))

    def cgroup(self) -> None:
        """An agent is put into a cgroup, or out of it, by somebody else."""
        agent = self.random.choice(self.agents)
        group = self.random.choice(("", GROUP, f"{GROUP}/below"))
        agent.expect("cgroup", f"/{group}")
        agent.become(attrs.evolve(agent.state.actor.now, cgroup=f"/{group}".encode()))

    def fork(self) -> None:
        """An agent goes on as its child, or what waits for the end of a child goes on."""
        agent = self.random.choice(self.agents)
        if agent.waiting and (len(agent.waiting) >= _DEPTH or self.random.random() < 0.5):
            agent.expect("quit")
            agent.state = agent.waiting.pop()
            return
        agent.expect("fork")
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
        agent.expect("run", path, error=0 if runs else errno.EPERM)
        uid = before.actor.now.uid
        if self._is_kept_from_running(agent, path) or (uid and not agent.waiting):
            return
        agent.expect("become", path)
        actor = intern(before.actor.exec(attrs.evolve(before.actor.now, exe=path.encode())))
        agent.state = attrs.evolve(before, actor=actor, is_kept=before.is_kept or bool(uid))

    def _is_kept_from_running(self, agent: Role, path: str) -> bool:
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
            agent.expect("unshare")
            agent.state = attrs.evolve(state, view=state.view.copy())
        elif state.view.is_host or self.random.random() < 0.2:
            agent.expect("chroot", self.root / "t")
            view = View(self.top, state.view.covers, is_host=state.view.is_host)
            agent.state = attrs.evolve(state, view=view, prefix=str(self.root / "t"))
        else:
            self._mount_within(agent)

    def _mount_within(self, agent: Role) -> None:
        view = agent.state.view
        point = self.random.choice(self.directories())
        path = str(point.host_name())
        found = view.find(path)
        if found is None or found.node is None or found.node.children is None:
            return
        under = (found.parent.children or {})[found.path.rpartition("/")[2]]
        if view.is_covered(under, found.inside):
            agent.expect("umount", path)
            view.uncover(under, found.inside)
        elif self.random.random() < 0.7:
            shown = view.find(str(self.random.choice(self.directories()).host_name()))
            if shown is None or shown.node is None or shown.node.children is None:
                return
            agent.expect("bind", shown.path, path)
            view.cover(under, shown.node, found.inside)
        else:
            agent.expect("tmpfs", path)
            view.cover(under, Node(children={}), found.inside)

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
            agent.expect("open", flags, path, error=errno.EPERM if kept else 0)
            if not refused:
                found.parent.add(found.path.rpartition("/")[2])
        else:
            refused = self.is_refused(agent, (Op.UNLINK, Op.NAME_GUARD), views)
            agent.expect("unlink", path, error=errno.EPERM if refused else 0)
            if not refused:
                found.node.remove()

    def change_policy(self) -> None:
        """What was allowed is denied, and the opposite."""
        self.variant = self.random.choice([v for v in "abc" if v != self.variant])
        self.mover.expect("reload", self.variant)

    # ---- A step ----

    def step(self, *, may_reload: bool) -> None:
        """Access, change, access."""
        random = self.random
        if sum(judge.size for judge in self.judges.values()) > MOST_ANSWERS:
            for judge in self.judges.values():
                judge.forget()
            forget(self.agents)
        agent, word = random.choice(self.agents), random.choice((*OPENS, "map"))
        mounted = [n for over in self.host.covers.values() for n in over[-1].shown.below()]
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
        self.lines.append(f"# {change.__name__}")
        if is_network:
            self.reach(agent, what, *where, 2)
            return
        path = path if not agent.state.prefix or path.startswith("/") else f"/{path}"
        if random.random() < 0.5:
            self._use_a_neighbour(agent, node)
        self.access(agent, path, word, 2)
        if node.host_name() is not None:
            now = self._path_to(node).removeprefix(agent.state.prefix)
            self.access(agent, now, word, 2)

    def _use_a_neighbour(self, agent: Role, node: Node) -> None:
        """What is known of its directory then serves the file, which was not touched since the last change."""
        beside = node.parent.children if node.parent is not None else None
        others = [n for n in (beside or {}).values() if n.children is None and n.target is None]
        other = self.random.choice(others or [node])
        if other is not node and other.host_name() is not None:
            path = str(other.host_name()).removeprefix(agent.state.prefix)
            self.access(agent, path, self.random.choice(list(OPENS)), 1)

    def _path_to(self, node: Node) -> str:
        """The host's name, or one through a mount of the host that shows it, or through a link."""
        path = str(node.host_name())
        tops = [(point, over[-1].shown) for point, over in self.host.covers.items()]
        shown = [(point, top) for point, top in tops if node.is_within(top)]
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
        """Take away what is mounted."""
        for point in self.host.covers:
            self.mover.expect("umount", point.host_name())


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
