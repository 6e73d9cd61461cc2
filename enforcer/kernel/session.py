# SPDX-License-Identifier: MIT
"""
Enforcement from start to stop: the context manager that owns everything in the kernel.

The order of a start matters: load; put the core in its places; write the image; attach the programs that
label processes; commit; label the processes that exist; attach the hooks; pin. When :meth:`Session.open`
returns, the image is active for every process. When it raises, nothing of the session is left. Another
session, in this process or left by another, stays active meanwhile: the stricter verdict counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import attrs

from enforcer.errors import EnforcerBug, KernelError
from enforcer.kernel import guard, loader, overlay, placement, programs
from enforcer.kernel.engine import Engine
from enforcer.kernel.guard import Guard
from enforcer.kernel.image_map import Image, ImageHead, ImageMap
from enforcer.kernel.image_slots import Committed, Succession
from enforcer.kernel.labels import label_all
from enforcer.kernel.maps import RINGS, Notes, RowHits, StatCounters, memory
from enforcer.kernel.met import MetMap
from enforcer.kernel.mounted import Mounted, MountedMap
from enforcer.kernel.needs import Needs
from enforcer.kernel.pins import PinDirectory
from enforcer.kernel.programs import Role
from enforcer.kernel.repeats import Repeats
from enforcer.kernel.ringbuf import RingBuffer, ring_use
from enforcer.kernel.verifier import Verifier

__all__ = ["Committed", "Image", "Session"]


@attrs.define(eq=False)
class Session:
    """The active engine. Made by :meth:`open`."""

    _engine: Engine
    _images: Succession
    _ring: RingBuffer
    _repeats: Repeats
    _pins: PinDirectory | None
    guard: Guard | None
    _undo: contextlib.ExitStack

    @classmethod
    def open(
        cls,
        image: Image,
        *,
        fallback: Image | None = None,
        confirm_within: float | None = None,
        pins: PinDirectory | None = None,
        states: Mapping[int, bytes] | None = None,
        carry: Mapping[str, int] | None = None,
        protect: bool = False,
        verifier: Verifier | None = None,
        records: bool = False,
        rings: tuple[int, int] | None = None,
        mounted: Sequence[Mounted] = (),
    ) -> Self:
        """
        Activate *image*.

        Args:
            image: what the compiler made.
            fallback: what counts when the time of *image* is over, if it has one.
            confirm_within: seconds from the return on until *image* expires unless confirmed.
            pins: where links and maps are kept beyond this process.
            states: what a successor must know, by generation; kept with the pins.
            carry: maps of the engine before, as :attr:`carried`, that mean the same in *image*.
            protect: keep other processes from what it is made of and from this process.
            verifier: with *protect*, of the key that lets others end that.
            records: write down what *image* has rows for with all operands, instead of verdicts.
            rings: sizes of those of denials and of the rest, powers of two.
            mounted: what runtimes have mounted for the containers that there are.

        Raises:
            UnsupportedError: if this machine cannot enforce it.
            VerifierError: if the verifier refuses a program.
            KernelError: if the kernel refuses otherwise.
        """
        given = [one for one in (image, fallback) if one is not None]
        with contextlib.ExitStack() as undo:
            if pins is not None:
                undo.callback(pins.remove)  # first: an empty directory is not to stay, either
            needs = Needs.of(given, carry=carry, protect=protect, records=records, rings=rings)
            size = needs.sizes.image
            idle = undo.enter_context(contextlib.closing(ImageMap.holding(image.data, size)))
            engine = undo.enter_context(contextlib.closing(needs.load(idle.fd)))
            fds = {name: entry.fd for name, entry in engine.first.maps.items()}
            ring = undo.enter_context(
                contextlib.closing(RingBuffer.open(fds["decisions"], fds["activity"]))
            )
            if records or any(head.asks_drift for head in needs.heads):
                overlay.tell(fds[overlay.MAP])
            for each in mounted:
                MountedMap(engine.first).put(each)
            engine.attach(Role.IDENTITY)
            images = Succession.begin(fds, size, image, fallback, confirm_within)
            idle.close()
            label_all(engine.first)
            engine.attach(Role.HOOK)
            protection = guard.attach(engine, needs.guards) if protect else None
            if pins is not None:
                maps = ((name, fd) for name, fd in fds.items() if "." not in name)
                pins.keep(engine.links.each(), maps, states or {})
            if protection is not None:
                protection.protect(pins.path if pins is not None else None, verifier)
                undo.callback(protection.disarm)
            images.expire_within(confirm_within)
            outside = Repeats(engine.first.programs[programs.TELL_REPEATS].fd)
            return cls(engine, images, ring, outside, pins, protection, undo.pop_all())
        raise AssertionError("unreachable")

    @property
    def generation(self) -> int:
        """The generation of the image that counts now; 0 if none does, its time being over."""
        counting = self._images.counting
        return counting.generation if counting else 0

    @property
    def expires_ns(self) -> int:
        """Until when to confirm, CLOCK_BOOTTIME; 0 if there is no end."""
        return self._images.head.expires_ns

    @property
    def pinned_at(self) -> Path | None:
        """Where it is kept beyond this process."""
        return self._pins.path if self._pins is not None else None

    @property
    def is_kept(self) -> bool:
        """Whether what was to be kept beyond this process still is."""
        return self._pins is None or self._pins.is_whole

    @property
    def seed(self) -> int:
        """Of the string hash of the image."""
        return self._images.head.seed

    @property
    def met(self) -> MetMap:
        """The containers that it was told of after its image was made."""
        return MetMap(self._engine.first)

    @property
    def mounted(self) -> MountedMap:
        """What runtimes have mounted for containers."""
        return MountedMap(self._engine.first)

    @property
    def carried(self) -> dict[str, int]:
        """The maps of labels and marks, for a successor's *carry*."""
        return {name: self._map(name) for name in loader.CARRIED}

    @property
    def is_protected(self) -> bool:
        """Whether other processes are kept from it."""
        return self.guard is not None

    @property
    def is_blind(self) -> bool:
        """Whether protection must refuse observing programs, too: the kernel hides symbols."""
        return self.guard is not None and self.guard.blind

    @property
    def operations(self) -> dict[str, tuple[str, ...]]:
        """The operations that the image has rows for, with the programs that decide them."""
        return self._engine.deciding(self._images.head)

    @property
    def enforces_at(self) -> str:
        """Where the programs of LSM hooks sit, as words."""
        return self._engine.at.value

    @property
    def missing(self) -> tuple[str, ...]:
        """Optional programs that were left out: this kernel calls other hooks in their place."""
        return self._engine.left_out(self._images.head)

    def ring_use(self) -> dict[str, tuple[int, int]]:
        """Return, by ring, how many bytes of records wait and how many it holds; raises KernelError."""
        return {name: ring_use(self._map(name)) for name in RINGS}

    def fits(self, image: Image) -> bool:
        """Whether the tables of this session have room for *image*; else it needs a new session."""
        head, sizes = ImageHead.of(image.data), self._engine.sizes
        return head.size <= sizes.image and head.n_rows <= sizes.rows

    def image(self) -> bytes:
        """
        Return the image that counts now, as the kernel holds it.

        Raises:
            KernelError: if none does, or it cannot be read.
        """
        return self._images.read()

    def commit(
        self,
        image: Image,
        *,
        fallback: Image | None = None,
        confirm_within: float | None = None,
        states: Mapping[int, bytes] | None = None,
    ) -> Committed:
        """
        Replace the active image by *image*, at once for all operations.

        Programs that it needs and that are not there yet are loaded and attached first; the others stay.

        Args:
            image: with the next generation.
            fallback: the active image with the generation after that, if *image* expires.
            confirm_within: as in :meth:`open`.
            states: likewise.

        Raises:
            UnsupportedError: if this machine cannot enforce it; the old image stays.
            VerifierError: if the verifier refuses a program; likewise.
            KernelError: if it does not fit this session or the kernel refuses; likewise.
        """
        if not self.fits(image):
            raise KernelError("the new policies need more rows or room than this session has")
        self._engine.widen(
            ImageHead.of(image.data), self._pins.pin_links if self._pins is not None else None
        )
        if ImageHead.of(image.data).asks_drift:
            overlay.tell(self._map(overlay.MAP))
        try:
            self.keep_states(states or {})
            committed = self._images.replace(
                image,
                fallback,
                lambda: label_all(self._engine.first),
                confirm_within=confirm_within,
            )
        except BaseException:
            self._forget_states()
            raise
        left = self._forget_states()
        return committed.but(left) if left else committed

    def confirm(self) -> None:
        """
        Keep the active image when its time is over.

        Raises:
            KernelError: if its time is over already, or the kernel refuses.
        """
        self._images.confirm()
        self._forget_states()

    def fall_back(self) -> None:
        """
        After the time of the active image: make the fallback, which counts already, current.

        Raises:
            KernelError: if the kernel refuses; the fallback counts all the same.
            EnforcerBug: if there is none.
        """
        self._images.fall_back()
        self._forget_states()

    def end(self) -> str:
        """
        End enforcement at once, also where this process ends now: what is attached permits until :meth:`close`.

        Taking programs from their hooks is slow: the kernel waits a tenth of a second for each. Idempotent.
        Returns a sentence on names that stay, if any do.

        Raises:
            KernelError: if the kernel refuses; enforcement may go on.
        """
        if self.guard is not None:
            self.guard.disarm()
        self._images.end()
        return self._pins.discard() if self._pins is not None else ""

    def detach(self) -> None:
        """
        End enforcement by this session; records and counts can still be read. Idempotent.

        Raises:
            KernelError: if the kernel refuses; what can be detached is.
        """
        if self.guard is not None:
            self.guard.disarm()
        try:
            if self._pins is not None:
                self._pins.detach()
        finally:
            self._engine.detach()

    def leave(self) -> None:
        """Let go of everything without detaching: what is pinned stays active."""
        if self._pins is None:
            raise EnforcerBug("nothing would stay active: the session is not pinned")
        self._undo.pop_all()
        self._ring.close()
        self._engine.close()

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""
        return self._ring.fileno()

    def drain(self) -> Sequence[bytes]:
        """
        Take a batch of records, denials and kills first; empty when none waits.

        Each is a ``struct enf_event`` with its tail. Those that wait outside of the rings come when the
        rings are empty, and in a flood, in which they never are, several times a second.

        Raises:
            KernelError: if they cannot be read.
        """
        batch = self._ring.drain()
        if batch and not self._repeats.is_due:
            return batch
        return batch if not self._repeats.tell() or batch else self._ring.drain()

    def hits(self) -> tuple[RowHits, ...]:
        """Return how often each row of the active image has decided, exactly; raises KernelError."""
        return self._images.hits()

    def retired_hits(self) -> tuple[int, tuple[RowHits, ...]] | None:
        """
        Return the generation and the counts of the image before, until the next commit.

        Raises:
            KernelError: if the kernel refuses.
        """
        return self._images.retired_hits()

    def stats(self) -> dict[str, int]:
        """
        Return the engine's counters by the names of ``enum enf_stat``, since the session began.

        And the kernel's own, as ``PASSED_BY``: how often a program had no turn.

        Raises:
            KernelError: if the kernel refuses.
        """
        return StatCounters(self._map("stats")).read() | {
            "PASSED_BY": placement.passed_by(self._engine.programs)
        }

    def keep_states(self, states: Mapping[int, bytes]) -> None:
        """Replace what a successor must know, without pins there is none; raises KernelError."""
        for generation, state in states.items():
            if self._pins is not None:
                self._pins.pin_state(generation, state)

    def note(self, notes: Notes) -> None:
        """Leave *notes* for a successor; raises KernelError."""
        notes.write(self._map("notes"))

    def map_bytes(self) -> dict[str, int]:
        """Return the memory that the kernel accounts to each map, in bytes; raises KernelError."""
        return memory(self._engine.first.maps.values(), self._engine.sizes.image)

    def close(self) -> None:
        """
        End enforcement: hooks first, then everything else. Idempotent.

        Raises:
            KernelError: if the kernel refuses to detach; the rest is freed all the same.
        """
        self._undo.close()

    def _map(self, name: str) -> int:
        return self._engine.first.maps[name].fd

    def _forget_states(self) -> str:
        """Drop what belongs to no image that counts or may count; return what is wrong if that fails."""
        try:
            if self._pins is not None:
                self._pins.forget_states(self._images.generations)
        except OSError as error:
            # What was done counts all the same: a successor reads the state of the image that counts.
            return f"old state for a successor could not be removed: {error}"
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
