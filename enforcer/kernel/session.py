# SPDX-License-Identifier: MIT
"""
Enforcement from start to stop: the context manager that owns everything in the kernel.

The order of the start is part of its meaning: load; write the image; attach what labels processes;
commit; label the processes that are there already; attach the hooks. When :meth:`Session.open`
returns, the image is in force for every process; when it raises, nothing of it is left.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self

import attrs

from enforcer.errors import KernelError
from enforcer.kernel import loader, programs
from enforcer.kernel.image_map import Image, ImageHead, ImageMap
from enforcer.kernel.labels import label_tasks
from enforcer.kernel.links import LinkSet
from enforcer.kernel.lsm import check_lsm
from enforcer.kernel.maps import HitCounters, RowHits, StatCounters
from enforcer.kernel.programs import Role
from enforcer.kernel.ringbuf import RingBuffer
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

__all__ = ["Image", "Session"]

_ROUND = 1 << 16


@attrs.define(eq=False)
class Session:
    """The engine in force. Made by :meth:`open`."""

    _engine: BpfObject
    _specs: tuple[programs.ProgramSpec, ...]
    _sizes: loader.Sizes
    _head: ImageHead
    _links: LinkSet
    _ring: RingBuffer
    _undo: contextlib.ExitStack
    _before: tuple[RowHits, ...] = ()

    @classmethod
    def open(
        cls,
        image: Image,
        *,
        decisions_bytes: int | None = None,
        activity_bytes: int | None = None,
    ) -> Self:
        """
        Put *image* in force.

        Args:
            image: what the compiler made.
            decisions_bytes: size of the ring of denials and kills, a power of two.
            activity_bytes: size of the ring of everything else.

        Raises:
            UnsupportedError: if this machine cannot enforce it.
            VerifierError: if the verifier refuses a program.
            KernelError: if the kernel refuses otherwise.
        """
        check_lsm()
        head = ImageHead.of(image.data)
        specs = loader.present(programs.needed(head.ops))
        capacity = -(-head.size // _ROUND) * _ROUND
        sizes = loader.Sizes(capacity, head.n_rows, decisions_bytes, activity_bytes)
        with contextlib.ExitStack() as undo:
            idle = undo.enter_context(contextlib.closing(ImageMap.create(capacity)))
            engine = undo.enter_context(loader.open_object(loader.ENGINE))
            loader.load(engine, specs, sizes, model=idle.fd)
            idle.write(image.data)
            ring = undo.enter_context(
                contextlib.closing(
                    RingBuffer.open(engine.maps["decisions"].fd, engine.maps["activity"].fd)
                )
            )
            links = undo.enter_context(contextlib.closing(LinkSet()))
            links.attach(engine.programs[s.name] for s in specs if s.role is Role.IDENTITY)
            idle.commit(engine.maps["images"].fd)
            idle.close()
            with contextlib.closing(engine.programs[programs.LABEL_TASKS].attach()) as iterator:
                label_tasks(iterator)
            links.attach(engine.programs[s.name] for s in specs if s.role is Role.HOOK)
            return cls(engine, specs, sizes, head, links, ring, undo.pop_all())
        raise AssertionError("unreachable")

    @property
    def generation(self) -> int:
        """The generation of the image in force."""
        return self._head.generation

    @property
    def operations(self) -> dict[str, tuple[str, ...]]:
        """The operations that the image has rows for, with the programs that decide them."""
        return {
            op: tuple(s.name for s in self._specs if s.ops & programs.mask(op))
            for op in programs.names(self._head.ops)
        }

    @property
    def missing(self) -> tuple[str, ...]:
        """Optional programs that were left out: this kernel calls other hooks in their place."""
        wanted = programs.needed(self._head.ops)
        return tuple(s.name for s in wanted if s not in self._specs)

    def fits(self, image: Image) -> bool:
        """Whether :meth:`commit` can put *image* in force without a new session."""
        head = ImageHead.of(image.data)
        served = 0
        for spec in self._specs:
            served |= spec.ops
        return (
            head.size <= self._sizes.image
            and head.n_rows <= self._sizes.rows
            and not head.ops & ~served
            and not set(loader.present(programs.needed(head.ops))) - set(self._specs)
        )

    def commit(self, image: Image) -> None:
        """
        Replace the image in force by *image*, at once for all operations.

        Counts start again; those of decisions taken in the middle of the replacement may be counted
        under the other image's row of that number.

        Raises:
            KernelError: if it does not fit this session or the kernel refuses; the old image stays.
        """
        if not self.fits(image):
            raise KernelError(
                "the new policies need more rows, room or operations than were loaded at the "
                "start: stop and start enforcement to put them in force"
            )
        with contextlib.closing(ImageMap.create(self._sizes.image)) as idle:
            idle.write(image.data)
            before = HitCounters(self._engine.maps["hits"].fd).read(self._sizes.rows)
            idle.commit(self._engine.maps["images"].fd)
        self._before = before
        self._head = ImageHead.of(image.data)

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""
        return self._ring.fileno()

    def drain(self) -> list[bytes]:
        """
        Take a batch of records, denials and kills first; empty when none waits.

        Each is a ``struct enf_event`` with its tail.

        Raises:
            KernelError: if they cannot be read.
        """
        return self._ring.drain()

    def hits(self) -> tuple[RowHits, ...]:
        """
        Return how often each row of the image in force has decided, exactly.

        Raises:
            KernelError: if the kernel refuses.
        """
        counts = HitCounters(self._engine.maps["hits"].fd).read(self._head.n_rows)
        if not self._before:
            return counts
        return tuple(now - then for now, then in zip(counts, self._before, strict=False))

    def stats(self) -> dict[str, int]:
        """
        Return the engine's counters by the names of ``enum enf_stat``, since the session began.

        Raises:
            KernelError: if the kernel refuses.
        """
        return StatCounters(self._engine.maps["stats"].fd).read()

    def map_bytes(self) -> dict[str, int]:
        """
        Return the memory that the kernel accounts to each map, in bytes.

        The image itself is an inner map: its capacity stands under ``image``. For a ring buffer,
        which some kernels account as nothing, at least the bytes of its records are counted.

        Raises:
            KernelError: if the kernel does not say.
        """
        sizes = {name: calls.memory(entry.fd) for name, entry in self._engine.maps.items()}
        for ring in ("decisions", "activity"):
            sizes[ring] = max(sizes[ring], self._engine.maps[ring].max_entries)
        return {**sizes, "image": self._sizes.image}

    def close(self) -> None:
        """
        End enforcement: hooks first, then everything else. Idempotent.

        Raises:
            KernelError: if the kernel refuses to detach; the rest is freed all the same.
        """
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
