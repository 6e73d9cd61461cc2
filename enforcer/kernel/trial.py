# SPDX-License-Identifier: MIT
"""
The decision core as the kernel runs it, on given operands: no hook, no LSM, no effect.

For tests and measurements: the same C as in the hooks, verified and compiled by this kernel.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Final, Self

import attrs

from enforcer.errors import KernelError
from enforcer.kernel import host, loader
from enforcer.kernel.image_map import Image, ImageHead, ImageMap
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

__all__ = ["Trial"]

_OBJECT: Final = "decide_test"
_PROGRAM: Final = "enf_decide_test"


@attrs.define(eq=False)
class Trial:
    """The in-kernel decision over one image at a time."""

    _object: BpfObject
    _capacity: int

    @classmethod
    def open(cls, image: Image, *, capacity: int = 0) -> Self:
        """
        Load the program and commit *image*; *capacity* is room for larger ones to come.

        Raises:
            UnsupportedError: if this kernel cannot.
            KernelError: if the kernel refuses otherwise.
        """
        host.require_privileges()
        head = ImageHead.of(image.data)
        room = max(capacity, head.size)
        with contextlib.ExitStack() as undo:
            model = undo.enter_context(contextlib.closing(ImageMap.create(room)))
            opened = undo.enter_context(loader.open_object(_OBJECT))
            loader.load_with_image(opened, room, model=model.fd)
            trial = cls(opened, room)
            trial.commit(image)
            model.close()
            undo.pop_all()
        return trial

    def commit(self, image: Image) -> None:
        """
        Decide by *image* from now on.

        Raises:
            KernelError: if the kernel refuses.
            EnforcerBug: if it is not an image or does not fit.
        """
        ImageHead.of(image.data)
        with contextlib.closing(ImageMap.create(self._capacity)) as idle:
            idle.write(image.data)
            idle.commit(self._object.maps["images"].fd)

    def run(self, operands: bytes) -> bytes:
        """
        Decide ``struct enf_test_input`` *operands*; return it with the verdict filled in.

        Raises:
            KernelError: if the kernel refuses, or the program: a length is out of bounds, or the
                image led outside itself.
        """
        result, after = calls.run(self._object.programs[_PROGRAM].fd, operands)
        if result:
            raise KernelError(f"the in-kernel decision refused its operands (code {result})")
        return after

    def close(self) -> None:
        """Free everything. Idempotent."""
        self._object.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
