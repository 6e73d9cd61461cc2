# SPDX-License-Identifier: MIT
"""
The programs of one session: loaded, with the core in its places, attached in order; and more of them later.

Programs that are loaded later come from the same object file, with the same maps. Nothing here knows which
policies are active: without an image, or for operations that the image does not name, a program permits
everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from enforcer.kernel import loader, programs
from enforcer.kernel.core import Core
from enforcer.kernel.links import LinkSet
from enforcer.kernel.programs import ProgramSpec, Role
from enforcer.kernel.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.kernel.image_map import ImageHead
    from enforcer.kernel.placement import Placement
    from enforcer.libbpf.handles import BpfObject, Program

__all__ = ["Engine"]


@attrs.define(eq=False)
class Engine:
    """
    What a session has in the kernel besides images and pins. Made by :meth:`load`.

    Attributes:
        at: where programs of LSM hooks are put.
        sizes: what the maps hold.
        links: what is attached.
        first: the object whose maps all programs use.
        specs: the loaded programs of LSM hooks, without those of the guard.
        watched: what is attached besides.
    """

    at: Placement
    sizes: loader.Sizes
    links: LinkSet
    first: BpfObject
    specs: tuple[ProgramSpec, ...] = ()
    watched: Watched = attrs.field(factory=Watched.nothing)
    _core: Core = attrs.field(init=False, factory=Core)
    _more: list[BpfObject] = attrs.field(init=False, factory=list)

    @classmethod
    def load(
        cls,
        specs: Iterable[ProgramSpec],
        sizes: loader.Sizes,
        *,
        at: Placement,
        model: int,
        watched: Watched | None = None,
        guards: Iterable[ProgramSpec] = (),
        prepare: Callable[[BpfObject], None] | None = None,
    ) -> Self:
        """
        Load programs, and the core for them; nothing is attached but that.

        Args:
            specs: programs of LSM hooks.
            sizes: what the maps must hold.
            at: where programs of LSM hooks are put.
            model: descriptor of a map like those that the map of images will hold.
            watched: what is to be attached besides.
            guards: programs of self-protection.
            prepare: called with the opened object, to switch on more of it.

        Raises:
            UnsupportedError: if this kernel cannot, with what would help.
            VerifierError: if the verifier refuses a program for another reason.
            KernelError: otherwise.
        """
        specs, watched = tuple(specs), watched or Watched.nothing()
        self = cls(at, sizes, LinkSet(), loader.open_object(loader.ENGINE), specs, watched)
        try:
            if prepare is not None:
                prepare(self.first)
            watched.configure(self.first, at)
            loader.load(self.first, (*specs, *guards), sizes, model=model, at=at)
            self._fill(self.first)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def programs(self) -> Iterator[Program]:
        """Every program, loaded or not, the core among them."""
        for each in (self.first, *self._more):
            yield from each.programs.values()
        yield from self._core.programs

    def attach(self, role: Role) -> None:
        """
        Attach the programs of *role*, and with those of hooks whatever is watched besides.

        Raises:
            KernelError: if the kernel refuses one; then none of them stays.
        """
        self.links.attach(self.first.programs[s.name] for s in self.specs if s.role is role)
        if role is Role.HOOK:
            self.watched.attach(self.first, self.links)

    def deciding(self, head: ImageHead) -> dict[str, tuple[str, ...]]:
        """Return the operations that *head* has rows for, with the names of the programs that decide them."""
        found = {
            op: tuple(each.name for each in self.specs if each.ops & programs.mask(op))
            for op in programs.names(head.ops)
        }
        return self.watched.named(found)

    def left_out(self, head: ImageHead) -> tuple[str, ...]:
        """Name the optional programs for *head* that this kernel has no hook for."""
        wanted = programs.needed(head.ops, head.facts)
        return tuple(each.name for each in wanted if each.optional and each not in self.specs)

    def missing(self, head: ImageHead) -> tuple[ProgramSpec, ...]:
        """Return the programs that the image of *head* needs and that are not loaded."""
        wanted = loader.present(programs.needed(head.ops, head.facts), self.at)
        return tuple(spec for spec in wanted if spec not in self.specs)

    def widen(
        self, head: ImageHead, keep: Callable[[Iterable[tuple[str, int]]], None] | None = None
    ) -> None:
        """
        Load and attach what the image of *head* needs and what is not there yet, all or nothing.

        Until that image is committed the new programs permit everything.

        Args:
            head: of the image.
            keep: called with names and descriptors of the new links; an error of it undoes all.

        Raises:
            UnsupportedError: if this kernel cannot, with what would help.
            VerifierError: if the verifier refuses a program for another reason.
            KernelError: otherwise.
        """
        specs, watched = self.missing(head), self.watched.beyond(head, self.at)
        if not specs and not watched:
            return
        before = len(self.links)
        opened = self._load_more(lambda opened: watched.configure(opened, self.at), specs)
        try:
            self._fill(opened)
            self.links.attach(opened.programs[spec.name] for spec in specs)
            watched.attach(opened, self.links)
            if keep is not None:
                keep(self.links.each(before))
        except BaseException:
            self.links.close_down_to(before)
            opened.close()
            raise
        self._more.append(opened)
        self.specs += specs
        self.watched = self.watched.joined(watched)

    def detach(self) -> None:
        """
        Detach everything, the last attached first. Idempotent.

        Raises:
            KernelError: the first refusal, after all were tried.
        """
        self.links.close()

    def close(self) -> None:
        """
        Detach and free everything; what is pinned stays active. Idempotent.

        Raises:
            KernelError: if the kernel refuses to detach; the rest is freed all the same.
        """
        try:
            self.links.close()
        finally:
            self._core.close()
            while self._more:
                self._more.pop().close()
            self.first.close()

    def _fill(self, loaded: BpfObject) -> None:
        """Put the core into the programs of *loaded*."""
        self.links.attach(self._core.places(loaded, self._load_more))

    def _load_more(
        self, choose: Callable[[BpfObject], None], specs: Iterable[ProgramSpec] = ()
    ) -> BpfObject:
        """Load the programs *specs*, and what *choose* switches on, with the maps of the first object."""
        opened = loader.open_object(loader.ENGINE)
        try:
            for program in opened.programs.values():
                program.set_autoload(enabled=False)
            choose(opened)
            loader.load_beside(opened, specs, self.sizes, first=self.first, at=self.at)
        except BaseException:
            opened.close()
            raise
        return opened
