# SPDX-License-Identifier: MIT
"""
The decision core, loaded once and put where hooks call it.

Programs of hooks have stubs that refuse in place of the core (``bpf/src/stub.bpf.c``). The core is loaded
as extension programs of the kernel, one for each stub, and attached to that stub in every program: before
the program is attached to its hook, and released after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.libbpf.handles import BpfObject, Program, Replacement

__all__ = ["STUBS", "Core"]

STUBS: Final = {
    "enf_ask": "enf_core",
    "enf_ask_point": "enf_core_point",
    "enf_prefilter": "enf_core_prefilter",
}
"""By the function that hooks call, the extension that is put in its place."""


@attrs.frozen
class _Place:
    """A stub in a loaded program; attached as programs are: by putting the core there."""

    target: Program
    function: str
    number: int
    extension: Program

    def attach(self) -> Replacement:
        return self.extension.replace_in(self.target, self.number)


@attrs.define(eq=False)
class Core:
    """The loaded extensions of one engine; none before the first :meth:`places`."""

    _extensions: dict[str, Program] = attrs.field(init=False, factory=dict)
    _objects: list[BpfObject] = attrs.field(init=False, factory=list)

    @property
    def programs(self) -> Iterable[Program]:
        """What was loaded."""
        return self._extensions.values()

    def places(
        self, loaded: BpfObject, load: Callable[[Callable[[BpfObject], None]], BpfObject]
    ) -> tuple[_Place, ...]:
        """
        Return what is to be attached for the programs of the *loaded* object, and load what is missing.

        Args:
            loaded: an object with programs of hooks.
            load: loads the engine's object once more, with the maps of *loaded*; its argument switches
                programs on.

        Raises:
            UnsupportedError: if this kernel cannot, with what would help.
            VerifierError: if the verifier refuses the core.
            KernelError: otherwise.
        """
        found = tuple(_stubs(loaded))
        # The first target of each function is what the kernel verifies the extension against.
        targets = {function: target for target, function, _ in reversed(found)}
        missing = {f: target for f, target in targets.items() if f not in self._extensions}
        if missing:

            def choose(opened: BpfObject) -> None:
                for function, target in missing.items():
                    extension = opened.programs[STUBS[function]]
                    extension.set_autoload(enabled=True)
                    extension.set_extension_of(target, function)

            more = load(choose)
            self._objects.append(more)
            self._extensions |= {f: more.programs[STUBS[f]] for f in missing}
        return tuple(_Place(t, f, number, self._extensions[f]) for t, f, number in found)

    def close(self) -> None:
        """Free it; where it is attached it stays. Idempotent."""
        self._extensions.clear()
        while self._objects:
            self._objects.pop().close()


def _stubs(loaded: BpfObject) -> Iterator[tuple[Program, str, int]]:
    """Find the stubs that loaded programs call: program, function and its number."""
    numbers = {function: loaded.function(function) for function in STUBS}
    for program in loaded.programs.values():
        if program.fd < 0:
            continue
        for function, number in numbers.items():
            if program.has_function(number):
                yield program, function, number
