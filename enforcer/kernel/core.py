# SPDX-License-Identifier: MIT
"""
The decision core, loaded once and put where hooks call it.

Programs of hooks have stubs that refuse in place of the core (``bpf/src/stub.bpf.c``). The core is loaded
as extension programs of the kernel, each for the functions of one stub, and attached to that of every
program: before the program is attached to its hook, and released after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Self

import attrs

from enforcer.kernel import loader

if TYPE_CHECKING:
    from types import TracebackType

    from enforcer.kernel.links import LinkSet
    from enforcer.libbpf.handles import BpfObject, Program, Replacement

__all__ = ["STUBS", "Core"]

STUBS: Final = {
    "enf_ask": "enf_core",
    "enf_ask_meet": "enf_core_meet",
    "enf_glance": "enf_core_glance",
}
"""By the function that hooks call, the extension that is put in its place."""


@attrs.frozen
class _Place:
    """One function of one loaded program."""

    target: Program
    function: str
    number: int


@attrs.frozen
class _Filled:
    """An extension for a place; attached as programs are."""

    extension: Program
    place: _Place

    def attach(self) -> Replacement:
        return self.extension.replace_in(self.place.target, self.place.number)


@attrs.define(eq=False)
class Core:
    """The loaded extensions. Made by :meth:`load`."""

    _object: BpfObject

    @classmethod
    def load(cls, engine: BpfObject) -> Self:
        """
        Load the core for the loaded object *engine*, with the maps of that.

        Raises:
            UnsupportedError: if this kernel cannot, with what would help.
            VerifierError: if the verifier refuses it.
            KernelError: otherwise.
        """
        opened = loader.open_object(loader.ENGINE)
        try:
            for program in opened.programs.values():
                program.set_autoload(enabled=False)
            for place in _first(_places(engine)):
                extension = opened.programs[STUBS[place.function]]
                extension.set_autoload(enabled=True)
                extension.set_extension_of(place.target, place.function)
            loader.load_beside(opened, engine)
        except BaseException:
            opened.close()
            raise
        return cls(opened)

    @property
    def programs(self) -> tuple[Program, ...]:
        """What was loaded."""
        return tuple(p for p in self._object.programs.values() if p.fd >= 0)

    def attach(self, engine: BpfObject, links: LinkSet) -> None:
        """
        Put the core in every program of the loaded object *engine* that calls it, all or none.

        Raises:
            KernelError: if the kernel refuses one; then none stays.
        """
        links.attach(
            _Filled(self._object.programs[STUBS[place.function]], place)
            for place in _places(engine)
        )

    def close(self) -> None:
        """Free it; where it is attached it stays. Idempotent."""
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


def _places(engine: BpfObject) -> Iterator[_Place]:
    """Find the stubs in the loaded programs of *engine*."""
    numbers = {function: engine.function(function) for function in STUBS}
    for program in engine.programs.values():
        if program.fd < 0:
            continue
        for function, number in numbers.items():
            if program.has_function(number):
                yield _Place(program, function, number)


def _first(places: Iterable[_Place]) -> Iterator[_Place]:
    """Take one place of each function: the extension is verified against it."""
    seen: set[str] = set()
    for place in places:
        if place.function not in seen:
            seen.add(place.function)
            yield place
