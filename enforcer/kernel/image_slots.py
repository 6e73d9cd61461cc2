# SPDX-License-Identifier: MIT
"""
The images of a session: the active one, its fallback, and their counts.

The swap is one update of one entry. A failure before it leaves the active image untouched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Self

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug, KernelError
from enforcer.kernel import image_map
from enforcer.kernel.image_map import Image, ImageHead, ImageMap, Slot, boot_time, restamp
from enforcer.kernel.maps import HitCounters, RowHits
from enforcer.libbpf import calls

__all__ = ["Committed", "Succession"]

_LIVE: Final = ".data.live"
_START: Final = 600.0  # seconds that attaching, labelling and pinning may take
_NOT_LIVE: Final = _abi.ENF_NOT_LIVE


@attrs.frozen
class Committed:
    """
    What came of a commit.

    Attributes:
        settled: generation and final counts of the image whose place for counting was taken.
        warnings: sentences on what could not be done after the swap, when the image was active.
    """

    settled: tuple[int, tuple[RowHits, ...]] | None = None
    warnings: tuple[str, ...] = ()

    def but(self, sentence: str) -> Committed:
        """Return the same with one more warning."""
        return attrs.evolve(self, warnings=(*self.warnings, sentence))


@attrs.define(eq=False)
class Succession:
    """
    The images of one session.

    Attributes:
        head: of the current entry; it may be expired.
        fallback: what counts then.
    """

    _images: int
    _live: int
    _hits: HitCounters
    _capacity: int
    head: ImageHead
    fallback: Image | None = None
    _retired: ImageHead | None = None
    _settled: tuple[int, tuple[RowHits, ...]] | None = None

    @classmethod
    def begin(
        cls,
        maps: Mapping[str, int],
        capacity: int,
        image: Image,
        fallback: Image | None,
        confirm_within: float | None,
    ) -> Self:
        """
        Commit the first *image*.

        Args:
            maps: descriptors of the engine's maps, by name.
            capacity: bytes of the largest image to come.
            image: what is to be active.
            fallback: what counts when its time is over, if it has one.
            confirm_within: as :meth:`expire_within` will be told once everything is attached.

        Raises:
            KernelError: if the kernel refuses.
        """
        image = _lasting(image, confirm_within)
        hits, head = HitCounters.of(maps), ImageHead.of(image.data)
        made = cls(maps["images"], maps[_LIVE], hits, capacity, head, fallback)
        if fallback is not None:
            made._put(fallback, Slot.FALLBACK)
        made._put(image, Slot.CURRENT)
        made._go_live()
        return made

    def end(self) -> None:
        """
        Deactivate all images, whether their time is over or not.

        Raises:
            KernelError: if the kernel refuses.
        """
        self._tell(_NOT_LIVE)
        for slot in (Slot.CURRENT, Slot.FALLBACK):
            image_map.clear(self._images, slot)

    @property
    def counting(self) -> ImageHead | None:
        """The image that counts now; None if none does, its time being over."""
        if not self.head.is_expired:
            return self.head
        return ImageHead.of(self.fallback.data) if self.fallback is not None else None

    @property
    def generations(self) -> set[int]:
        """Of the images that count, may count, or can still be asked for their counts."""
        images = {self.head.generation}
        if self._retired is not None:
            images.add(self._retired.generation)
        if self._settled is not None:
            images.add(self._settled[0])
        if self.fallback is not None:
            images.add(ImageHead.of(self.fallback.data).generation)
        return images

    def read(self) -> bytes:
        """
        Return the image that counts now, as the kernel holds it.

        Raises:
            KernelError: if none does, or it cannot be read.
        """
        slot = Slot.FALLBACK if self.head.is_expired else Slot.CURRENT
        data = image_map.read(self._images, slot)
        if data is None:
            raise KernelError("no policy is active: the time to confirm it is over")
        return data

    def replace(
        self,
        image: Image,
        fallback: Image | None,
        label: Callable[[], None],
        *,
        confirm_within: float | None = None,
    ) -> Committed:
        """
        Activate *image*, at once for all operations.

        Args:
            image: with the next generation.
            fallback: with the generation after that, if *image* expires.
            label: labels running processes by the staged image; may raise KernelError.
            confirm_within: seconds, from the return of this on, until *image* expires.

        Raises:
            KernelError: if the kernel refuses; the old image stays.
            EnforcerBug: if the generation is not the next one, or the last one is not settled.
        """
        image = _lasting(image, confirm_within)
        head = ImageHead.of(image.data)
        if self.head.expires_ns or head.generation != self.head.generation + 1:
            raise EnforcerBug(f"generation {head.generation} is not the next one to commit")
        self._tell(_NOT_LIVE)
        try:
            if fallback is not None:
                self._put(fallback, Slot.FALLBACK)
            warnings = self._swap(image, head, label)
        except BaseException:
            image_map.clear(self._images, Slot.FALLBACK)
            self._go_live()
            raise
        settled, self._settled = self._settled, None
        self._retired, self.head, self.fallback = self.head, head, fallback
        # From here on it is active, so nothing may be told as a failure of the change.
        try:
            self.expire_within(confirm_within)
        except KernelError as error:
            warnings.append(
                f"the time to confirm could not be set, so the change lasts longer: {error}"
            )
        try:
            self._go_live()
        except KernelError as error:
            warnings.append(f"hooks decide without their fast paths: {error}")
        return Committed(settled, tuple(warnings))

    def expire_within(self, seconds: float | None) -> None:
        """
        Let the current image expire in *seconds*; None: leave it as it is.

        Raises:
            KernelError: if the kernel refuses.
        """
        if seconds is None:
            return
        image = restamp(self.read(), expires_ns=boot_time() + int(seconds * 1e9))
        self._put(image, Slot.CURRENT)
        self.head = ImageHead.of(image.data)

    def confirm(self) -> None:
        """
        Keep the current image when its time is over.

        Raises:
            KernelError: if its time is over already, or the kernel refuses.
        """
        data = image_map.read(self._images, Slot.CURRENT)
        if data is None or self.head.is_expired:
            raise KernelError("too late: the time to confirm is over")
        self._settle(restamp(data))

    def fall_back(self) -> None:
        """
        After the time of the current image: make the fallback, which counts already, current.

        Raises:
            KernelError: if the kernel refuses; the fallback counts all the same.
            EnforcerBug: if there is none.
        """
        if self.fallback is None:
            raise EnforcerBug("there is no image to fall back to")
        retired = self.head
        self._settle(self.fallback)
        self._retired = retired

    def hits(self) -> tuple[RowHits, ...]:
        """
        Return how often each row of the image that counts has decided, exactly.

        Raises:
            KernelError: if the kernel refuses.
        """
        return self._read_hits(self.counting)

    def retired_hits(self) -> tuple[int, tuple[RowHits, ...]] | None:
        """
        Return the generation and the counts of the image before, until the next commit.

        Raises:
            KernelError: if the kernel refuses.
        """
        if self._settled is not None:
            return self._settled
        before = self.head if self.head.is_expired else self._retired
        return (before.generation, self._read_hits(before)) if before is not None else None

    def _read_hits(self, head: ImageHead | None) -> tuple[RowHits, ...]:
        return self._hits.read(head.generation, head.n_rows) if head is not None else ()

    def _put(self, image: Image, slot: Slot) -> None:
        with contextlib.closing(ImageMap.holding(image.data, self._capacity)) as idle:
            idle.commit(self._images, slot)

    def _swap(self, image: Image, head: ImageHead, label: Callable[[], None]) -> list[str]:
        """
        Commit; returns sentences on what could not be done once it was active.

        Labels that are new are made before, so that no process is met without, and again after, for
        those that were forked in between.
        """
        warnings: list[str] = []
        with contextlib.closing(ImageMap.holding(image.data, self._capacity)) as idle:
            if not head.has_new_labels:
                self._make_room(head.generation)
                idle.commit(self._images)
                return warnings
            idle.commit(self._images, Slot.STAGED)
            try:
                label()
                self._make_room(head.generation)
                idle.commit(self._images)
            except BaseException:
                image_map.clear(self._images, Slot.STAGED)
                raise
        try:
            label()
        except KernelError as error:
            # What is not known of a lineage is as before the policy was there.
            warnings.append(str(error))
        try:
            image_map.clear(self._images, Slot.STAGED)
        except KernelError as error:
            # It is the active image: whoever labels by it labels rightly until the next change.
            warnings.append(f"the slot for the next image could not be cleared: {error}")
        return warnings

    def _make_room(self, generation: int) -> None:
        """
        Settle the counts of the image before, then clear the half that *generation* counts in.

        Late, so that little can fail in between; what is settled is known until it is taken over.
        """
        self._settled, self._retired = self.retired_hits(), None
        self._hits.clear(generation)

    def _go_live(self) -> None:
        """Let hooks leave early by what was found under the current image, if it is there to stay."""
        if not self.head.expires_ns:
            self._tell(self.head.generation)

    def _tell(self, generation: int) -> None:
        # Eight bytes: one store, so that no hook sees half of it.
        calls.update(self._live, 0, generation.to_bytes(8, "little"))

    def _settle(self, image: Image) -> None:
        self._put(image, Slot.CURRENT)
        self.head, self.fallback = ImageHead.of(image.data), None
        self._go_live()
        image_map.clear(self._images, Slot.FALLBACK)


def _lasting(image: Image, confirm_within: float | None) -> Image:
    """Until its own time is known, an image that has one lasts for the start, and not for ever."""
    if confirm_within is None:
        return image
    return restamp(image.data, expires_ns=boot_time() + int((confirm_within + _START) * 1e9))
