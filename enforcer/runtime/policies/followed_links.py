# SPDX-License-Identifier: MIT
"""
The links of containers that policies ask for: looked up before policies are compiled, and again later.

What was found once counts for as long as the container is there. So a container that makes a link anew, or takes
it away, is still refused what it led to.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.compiler import LinkAsks, LocalHost
from enforcer.errors import EnforcerError
from enforcer.identity.container_links import Asked, look_up
from enforcer.identity.layers import layers_of
from enforcer.policy.model.container_links import MAX_LINKS, joined
from enforcer.policy.model.workloads import WORKLOAD_FIELDS, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

    from enforcer.identity.container_links import Found
    from enforcer.mountinfo import Mount
    from enforcer.policy.model.container_links import Links
    from enforcer.policy.model.policy import PolicySet
    from enforcer.runtime.reactor import Reactor

__all__ = ["Followed", "LinkWatch", "beside", "changed", "follow", "met"]

_LOOK: Final = 5.0  # seconds between two looks
_SERVED: Final = b"fuse"
"""File systems of a process, which may never answer."""


@attrs.frozen
class Followed:
    """
    What an image was made with.

    Attributes:
        links: by the cgroup of the container.
        asked: what was looked up, to do it again.
        incomplete: containers of which not all links are known, or count.
        asks: what its policies ask, of any container.
        plain: of containers in which links give no names, what was asked and the links: a further one with the same
            needs no other image.
    """

    links: Mapping[bytes, Links] = attrs.field(factory=dict)
    asked: Mapping[bytes, Asked] = attrs.field(factory=dict)
    incomplete: frozenset[bytes] = frozenset()
    asks: LinkAsks = attrs.field(factory=LinkAsks, repr=False)
    plain: frozenset[Hashable] = attrs.field(default=frozenset(), repr=False)

    def is_plain(self, workload: Workload, found: Followed) -> bool:
        """Tell whether an image for *workload*, in which *found* was found, is the one that was made."""
        if workload.cgroup in found.incomplete:
            return False
        links = found.links.get(workload.cgroup, {})
        return not links or _kind(self.asks, workload, links) in self.plain

    def joined(self, found: Followed) -> Followed:
        """Return it with what was *found* in one container."""
        return attrs.evolve(
            self, links={**self.links, **found.links}, asked={**self.asked, **found.asked}
        )

    def without(self, gone: Collection[bytes]) -> Followed:
        """Return it without what is known of containers that are *gone*."""
        return attrs.evolve(
            self,
            links={cgroup: each for cgroup, each in self.links.items() if cgroup not in gone},
            asked={cgroup: each for cgroup, each in self.asked.items() if cgroup not in gone},
            incomplete=self.incomplete.difference(gone),
        )

    def told(self, workloads: Iterable[Workload], renamed: frozenset[bytes]) -> Followed:
        """Return it with what became of its links: those of *renamed* containers gave names."""
        strange = renamed | self.incomplete
        plain = (
            _kind(self.asks, each, self.links[each.cgroup])
            for each in workloads
            if each.cgroup in self.links and each.cgroup not in strange
        )
        return attrs.evolve(self, plain=frozenset(plain))


def _kind(asks: LinkAsks, workload: Workload, links: Links) -> Hashable:
    return asks.meant(workload), tuple(sorted(links.items()))


def follow(
    policies: PolicySet, host: LocalHost, before: Mapping[bytes, Links]
) -> tuple[LocalHost, Followed]:
    """
    Look up what *policies* ask for; return *host* with the links in its containers, and what was found.

    Args:
        policies: those that will be compiled.
        host: with the containers that are known.
        before: the links that counted until now.
    """
    return _follow(LinkAsks.of(policies), host, before)


def met(asks: LinkAsks, host: LocalHost, *, is_local: bool = False) -> Followed:
    """
    Look up what is asked about the containers of *host*, which have just begun.

    Args:
        asks: by the active policies.
        host: with these containers alone.
        is_local: only file systems of this machine answer.
    """
    return _follow(asks, host, {}, is_local=is_local)[1]


def _follow(
    asks: LinkAsks, host: LocalHost, before: Mapping[bytes, Links], *, is_local: bool = False
) -> tuple[LocalHost, Followed]:
    roots = {each.cgroup: each.root for each in host.workloads}
    wanted = {each.cgroup: of for each in host.workloads if (of := asks.heads(each))}
    mounts = host.on_top
    asked = {
        cgroup: _asked(host, roots[cgroup], mounts.get(roots[cgroup]), beginnings)
        for cgroup, beginnings in wanted.items()
        if not _is_served(mounts.get(roots[cgroup]))
    }
    found = look_up(_shuffled(asked), is_local=is_local)
    links = _together(before, found, wanted)
    full = {each for each, of in links.items() if sum(map(len, of.values())) >= MAX_LINKS}
    incomplete = frozenset((*found.incomplete, *full, *(wanted.keys() - asked.keys())))
    followed = Followed(links, asked, incomplete, asks)
    workloads = tuple(
        attrs.evolve(each, links=links.get(each.cgroup, {})) for each in host.workloads
    )
    return attrs.evolve(host, workloads=workloads), followed


def beside(
    root: str | None, policies: PolicySet, mounted: tuple[tuple[bytes, bytes], ...] = ()
) -> LocalHost:
    """
    Return this machine with the links of the one container whose *root* it has there, for explanations.

    Args:
        root: where the host has it; None: that is not known.
        policies: that ask for links.
        mounted: what its runtime shows in it of the host, as :class:`Workload` has it.
    """
    unknown = dict.fromkeys(
        field.name for fields in WORKLOAD_FIELDS.values() for field in fields.values()
    )
    container = Workload(b"/", unknown, os.fsencode(root or ""), mounted=mounted)
    known = (container,) if root is not None or mounted else ()
    return follow(policies, LocalHost.read(workloads=known), {})[0]


def changed(followed: Followed, *, is_local: bool = False) -> bool:
    """Look up again what was asked, and tell whether links are there that do not count yet; *is_local*: as for met."""
    # What the image has does not change.
    asked = {name: attrs.evolve(each, layers=()) for name, each in followed.asked.items()}
    found = look_up(_shuffled(asked), is_local=is_local)
    return _together(followed.links, found, followed.asked) != followed.links


def _shuffled(asked: Mapping[bytes, Asked]) -> dict[bytes, Asked]:
    """Return *asked* in another order each time: where there is no time for all, each is looked up by and by."""
    return dict(random.sample([*asked.items()], len(asked)))


def _asked(
    host: LocalHost, root: bytes, mount: Mount | None, beginnings: tuple[bytes, ...]
) -> Asked:
    layers = layers_of(mount) if mount is not None else ()
    return Asked(host.root + root, beginnings, tuple(host.root + each for each in layers))


def _is_served(mount: Mount | None) -> bool:
    return mount is not None and mount.type.startswith(_SERVED)


def _together(
    before: Mapping[bytes, Links], found: Found, wanted: Mapping[bytes, object]
) -> dict[bytes, Links]:
    """Return the links that count: an image's first, so that nothing a container does takes their room."""
    both = {
        cgroup: joined(*(each.get(cgroup, {}) for each in (found.image, before, found.links)))
        for cgroup in wanted
    }
    return {cgroup: links for cgroup, links in both.items() if links}


@attrs.define(eq=False, repr=False)
class LinkWatch:
    """
    Looks again now and then.

    Attributes:
        followed: what the active image was made with.
        changed: looks, in a process of its own.
        renew: has the image made anew.
        report: gets a sentence about each container of which not everything is followed.
    """

    reactor: Reactor
    followed: Callable[[], Followed]
    changed: Callable[[Followed], bool]
    renew: Callable[[], None]
    report: Callable[[str], None]
    _said: set[bytes] = attrs.field(factory=set, init=False)

    def begin(self) -> None:
        """Look from now on."""
        self.reactor.every(_LOOK, self.look)

    def look(self) -> None:
        """Look once."""
        followed = self.followed()
        self._said &= followed.incomplete
        for cgroup in sorted(followed.incomplete - self._said):
            self._said.add(cgroup)
            self.report(
                f"not all symbolic links in the container {ascii(os.fsdecode(cgroup))[1:-1]} are followed: "
                "rules hold there for names as they are written"
            )
        if not followed.asked:
            return
        try:
            is_due = self.changed(followed)
        except (EnforcerError, OSError) as error:
            # Of what this process reads itself as well. What counted until now goes on to count, and the next look
            # tries it again: a moment without descriptors or memory ends no daemon.
            self.report(f"cannot look links in containers up, trying again: {error}")
            return
        if is_due:
            self.renew()
