# SPDX-License-Identifier: MIT
"""
libbpf's objects, programs, maps and links as handles that own what they point to.

Owns lifetimes and error checks; decides nothing. A child keeps its parent alive.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from enforcer.libbpf import log
from enforcer.libbpf._check import check, check_pointer
from enforcer.libbpf._ffi import ffi, lib

if TYPE_CHECKING:  # names of the stub, not of the extension
    from enforcer.libbpf._ffi import CData

__all__ = ["BpfObject", "How", "Link", "ObjectMap", "Program", "Replacement"]


_ALWAYS_RUN: Final = ("lsm", "iter", "syscall", "freplace")
"""Sections of programs that have no guard of the kernel against recursion of their own."""


class How(enum.Enum):
    """How a program sits on a function of the kernel."""

    BEFORE_RESULT = lib.BPF_MODIFY_RETURN
    """Called first; what it returns, unless 0, is the result, and the function is not called."""
    BEGINNING = lib.BPF_TRACE_FENTRY
    END = lib.BPF_TRACE_FEXIT


def _text(pointer: CData) -> str:
    return ffi.string(pointer).decode()


@attrs.define(eq=False)
class Link:
    """A program that is attached to its hook until it is closed."""

    program: str
    _pointer: Any

    def close(self) -> None:
        """
        Detach. Idempotent.

        Raises:
            KernelError: if the kernel refuses; the descriptor is closed all the same.
        """
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            check(lib.bpf_link__destroy(pointer), f"detach {self.program}")

    @property
    def fd(self) -> int:
        """The link's descriptor."""
        return lib.bpf_link__fd(self._pointer)

    def read_iterator(self) -> bytes:
        """
        Run the iterator that this link is, once, and return what it printed.

        Raises:
            KernelError: if the kernel refuses.
        """
        what = f"run the iterator {self.program}"
        fd = check(lib.bpf_iter_create(lib.bpf_link__fd(self._pointer)), what)
        with os.fdopen(fd, "rb") as stream:
            return stream.read()


@attrs.define(eq=False)
class Replacement:
    """
    An extension in the place of a function of another program, until it is closed.

    Attributes:
        program: the names of both programs.
        fd: the link's descriptor; -1 when it is closed.
    """

    program: str
    fd: int

    def close(self) -> None:
        """Detach. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


@attrs.define(eq=False)
class Program:
    """One program of an object."""

    name: str
    section: str
    _pointer: Any
    _parent: BpfObject
    _is_around: bool = attrs.field(init=False, default=False)

    def set_autoload(self, *, enabled: bool) -> None:
        """Say whether loading the object loads this program."""
        check(lib.bpf_program__set_autoload(self._pointer, enabled), f"configure {self.name}")

    def set_target(self, name: str) -> None:
        """
        Bind the program to the hook or function *name*; only before the object is loaded.

        Raises:
            KernelError: if the kernel's BTF has none of this name.
        """
        found = lib.bpf_program__set_attach_target(self._pointer, 0, name.encode())
        check(found, f"bind {self.name} to {name}")

    def set_around(self, function: str, how: How) -> None:
        """
        Make an LSM program one on a *function* of the kernel; only before the object is loaded.

        Raises:
            KernelError: if the kernel's BTF has none of this name.
        """
        put = lib.enf_put_around(self._pointer, function.encode(), how.value)
        check(put, f"put {self.name} around {function}")
        self._is_around = True

    def set_extension_of(self, target: Program, function: str) -> None:
        """
        Have the program loaded as one for *function* of the loaded *target*, and of those of its type.

        Raises:
            KernelError: if *target* has no such function.
        """
        found = lib.bpf_program__set_attach_target(self._pointer, target.fd, function.encode())
        check(found, f"bind {self.name} to {function} of {target.name}")

    def has_function(self, number: int) -> bool:
        """
        Tell whether the loaded program calls the function *number* of :meth:`BpfObject.function`.

        Raises:
            KernelError: if the kernel does not say.
        """
        return bool(check(lib.enf_has_function(self.fd, number), f"look into {self.name}"))

    def replace_in(self, target: Program, number: int) -> Replacement:
        """
        Put this extension in the place of the function *number* of the loaded *target*.

        Raises:
            KernelError: if the kernel refuses.
        """
        fd = lib.enf_extend(self.fd, target.fd, number)
        return Replacement(
            f"{self.name}-{target.name}", check(fd, f"attach {self.name} to {target.name}")
        )

    @property
    def is_passed_over(self) -> bool:
        """Whether the kernel does not run it where it runs already on the same processor."""
        return self._is_around or not self.section.startswith(_ALWAYS_RUN)

    @property
    def fd(self) -> int:
        """The descriptor of the loaded program; negative before."""
        return lib.bpf_program__fd(self._pointer)

    def attach(self) -> Link:
        """
        Attach the program to the hook that its section names.

        Raises:
            KernelError: if the kernel refuses.
        """
        by = lib.bpf_program__attach_trace if self._is_around else lib.bpf_program__attach
        return Link(self.name, check_pointer(by(self._pointer), f"attach {self.name}"))

    def attach_to(self, entries: Sequence[tuple[str, int]], *, at_end: bool = False) -> Link:
        """
        Attach the program to the entry of kernel functions, or *at_end*, each given with its cookie.

        Raises:
            KernelError: if the kernel refuses one; then it is attached to none.
        """
        held = [ffi.new("char[]", name.encode()) for name, _ in entries]
        names = ffi.new("char *[]", held)
        cookies = ffi.new("unsigned long long[]", [cookie for _, cookie in entries])
        pointer = lib.enf_attach_functions(
            self._pointer, ffi.cast("const char **", names), cookies, len(held), at_end
        )
        return Link(self.name, check_pointer(pointer, f"attach {self.name}"))

    def set_for_one_function(self) -> None:
        """
        Have a program for many kernel functions loaded as one that is attached to each by itself.

        Raises:
            KernelError: if the object is loaded.
        """
        check(lib.enf_put_alone(self._pointer), f"configure {self.name}")

    def attach_to_one(self, function: str, cookie: int, *, at_end: bool = False) -> Link:
        """
        Attach a program that was loaded for that to the entry of one kernel function, or *at_end*.

        Raises:
            KernelError: if the kernel refuses.
        """
        pointer = lib.enf_attach_function(self._pointer, function.encode(), cookie, at_end)
        return Link(self.name, check_pointer(pointer, f"attach {self.name} to {function}"))

    def attach_tracepoint(self, category: str, event: str, cookie: int) -> Link:
        """
        Attach the program to a tracepoint.

        Raises:
            KernelError: if the kernel refuses.
        """
        pointer = lib.enf_attach_tracepoint(
            self._pointer, category.encode(), event.encode(), cookie
        )
        return Link(self.name, check_pointer(pointer, f"attach {self.name} to {category}/{event}"))

    def attach_raw(self, event: str) -> Link:
        """
        Attach the program to a raw tracepoint.

        Raises:
            KernelError: if the kernel refuses.
        """
        pointer = lib.bpf_program__attach_raw_tracepoint(self._pointer, event.encode())
        return Link(self.name, check_pointer(pointer, f"attach {self.name} to {event}"))


@attrs.define(eq=False)
class ObjectMap:
    """One map of an object."""

    name: str
    _pointer: Any
    _parent: BpfObject

    @property
    def fd(self) -> int:
        """The descriptor of the created map; negative before the object is loaded."""
        return lib.bpf_map__fd(self._pointer)

    @property
    def max_entries(self) -> int:
        """How many entries the map has; for a ring buffer, bytes."""
        return lib.bpf_map__max_entries(self._pointer)

    @property
    def value_size(self) -> int:
        """Bytes of one value."""
        return lib.bpf_map__value_size(self._pointer)

    def definition(self) -> tuple[int, int, int, int, int]:
        """Return its type, the bytes of a key and of a value, how many there are, and flags, as the kernel has them."""
        at = self._pointer
        kind, flags = lib.bpf_map__type(at), lib.bpf_map__map_flags(at)
        return kind, lib.bpf_map__key_size(at), self.value_size, self.max_entries, flags

    def set_max_entries(self, count: int) -> None:
        """Size the map; only before the object is loaded."""
        check(lib.bpf_map__set_max_entries(self._pointer, count), f"size the map {self.name}")

    def set_inner(self, fd: int) -> None:
        """Make the map of *fd* the model of this map's inner maps; only before the load."""
        check(
            lib.bpf_map__set_inner_map_fd(self._pointer, fd), f"shape the map of maps {self.name}"
        )

    def reuse(self, fd: int) -> None:
        """
        Put the existing map of *fd* in this one's place; only before the object is loaded.

        Raises:
            KernelError: if the kernel does not describe that map.
        """
        check(lib.bpf_map__reuse_fd(self._pointer, fd), f"reuse a map as {self.name}")


@attrs.define(eq=False)
class BpfObject:
    """A BPF object file, opened from bytes, and after :meth:`load` what the kernel made of it."""

    name: str
    _pointer: Any
    _bytes: Any  # libbpf may look at them until the load
    programs: dict[str, Program] = attrs.field(init=False, factory=dict)
    maps: dict[str, ObjectMap] = attrs.field(init=False, factory=dict)

    @classmethod
    def open(cls, data: bytes, name: str, types: int = -1) -> Self:
        """
        Parse *data*; nothing reaches the kernel yet. *types*: a file in memory for the kernel's that it reads; -1: none.

        Raises:
            KernelError: if it is no BPF object.
        """
        log.discard()
        held = ffi.from_buffer("char[]", data)
        pointer = check_pointer(
            lib.enf_object_open(held, len(data), name.encode(), types),
            f"open the BPF object {name}",
        )
        self = cls(name, ffi.gc(pointer, lib.bpf_object__close), held)
        for program in self._each(lib.bpf_object__next_program):
            label = _text(lib.bpf_program__name(program))
            section = _text(lib.bpf_program__section_name(program))
            self.programs[label] = Program(label, section, program, self)
        for entry in self._each(lib.bpf_object__next_map):
            label = _text(lib.bpf_map__name(entry))
            self.maps[label] = ObjectMap(label, entry, self)
        return self

    def _each(self, step: Any) -> Iterator[CData]:
        at = step(self._pointer, ffi.NULL)
        while at != ffi.NULL:
            yield at
            at = step(self._pointer, at)

    def set_constant(self, name: str, value: int, *, size: int = 4) -> None:
        """
        Set the ``const volatile`` variable *name*; only before the load.

        Raises:
            KernelError: if the object has none of this name and size.
        """
        data = value.to_bytes(size, "little")
        check(
            lib.enf_global_set(self._pointer, name.encode(), data, size),
            f"set the constant {name} of {self.name}",
        )

    def get_constant(self, name: str, *, size: int = 4) -> int:
        """
        Return the value of the ``const volatile`` variable *name*.

        Raises:
            KernelError: if the object has none of this name and size.
        """
        data = ffi.new("char[]", size)
        check(
            lib.enf_global_get(self._pointer, name.encode(), data, size),
            f"read the constant {name} of {self.name}",
        )
        return int.from_bytes(ffi.buffer(data, size), "little")

    def function(self, name: str) -> int:
        """
        Return the number of the function *name* in the object's BTF.

        Raises:
            KernelError: if it has none of this name.
        """
        return check(
            lib.enf_function_id(self._pointer, name.encode()), f"find {name} in {self.name}"
        )

    def load(self) -> None:
        """
        Create the maps and load the programs that are not switched off.

        Raises:
            VerifierError: if the verifier refuses a program.
            KernelError: if the kernel refuses otherwise.
        """
        log.discard()
        check(lib.bpf_object__load(self._pointer), f"load the BPF object {self.name}")

    def close(self) -> None:
        """Free programs and maps that nothing else holds. Idempotent."""
        pointer, self._pointer = self._pointer, None
        self.programs.clear()
        self.maps.clear()
        if pointer is not None:
            ffi.release(pointer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
