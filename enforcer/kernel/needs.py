# SPDX-License-Identifier: MIT
"""What has to be loaded for images: which programs, how large their maps, and where they sit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.kernel import guard, loader, programs
from enforcer.kernel.engine import Engine
from enforcer.kernel.image_map import ImageHead, facts_of, ops_of
from enforcer.kernel.lsm_support import check_lsm
from enforcer.kernel.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from enforcer.kernel.image_map import Image
    from enforcer.kernel.placement import Placement
    from enforcer.kernel.programs import ProgramSpec

__all__ = ["Needs"]


@attrs.frozen(eq=False, repr=False)
class Needs:
    """
    What images need of the kernel.

    Attributes:
        at: where programs of LSM hooks sit.
        heads: of the images.
        specs: programs that decide.
        guards: programs of self-protection.
        sizes: what the maps must hold.
        is_protected: whether the engine is kept from other processes.
    """

    at: Placement
    heads: list[ImageHead]
    specs: tuple[ProgramSpec, ...]
    guards: tuple[ProgramSpec, ...]
    sizes: loader.Sizes
    is_protected: bool

    @classmethod
    def of(
        cls,
        images: Iterable[Image],
        *,
        carry: Mapping[str, int] | None,
        protect: bool,
        records: bool,
        rings: tuple[int, int] | None,
    ) -> Self:
        """
        Find out what *images* need; the options are those of ``Session.open``.

        Raises:
            UnsupportedError: if this machine cannot enforce them.
        """
        at = check_lsm()
        heads = [ImageHead.of(image.data) for image in images]
        specs = loader.present(programs.needed(ops_of(heads), facts_of(heads)), at)
        guards = guard.programs(at) if protect else ()
        sizes = loader.Sizes.with_room(
            image=max(head.size for head in heads),
            rows=max(head.n_rows for head in heads),
            carry=carry,
            records=records,
            rings=rings,
            keeps_code=any(spec in programs.CODE for spec in specs),
        )
        return cls(at, heads, specs, guards, sizes, protect)

    def load(self, model: int) -> Engine:
        """
        Load it; *model* is the descriptor of a map like those that the map of images will hold.

        Raises:
            UnsupportedError, VerifierError, KernelError: as ``Engine.load``.
        """
        return Engine.load(
            self.specs,
            self.sizes,
            at=self.at,
            model=model,
            watched=Watched.of(self.heads, self.at),
            guards=self.guards,
            prepare=guard.prepare if self.is_protected else None,
        )
