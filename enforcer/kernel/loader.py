# SPDX-License-Identifier: MIT
"""
Load the package's object files: constants, map sizes, which programs, and why loading failed.

Every error says what this kernel lacks and what would help.
"""

from __future__ import annotations

import errno
import functools
import importlib.resources
import os
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import attrs

from enforcer.errors import EnforcerBug, KernelError, UnsupportedError, VerifierError
from enforcer.kernel import host, pin_store, placement, pseudofs, repeats
from enforcer.kernel.maps import RINGS
from enforcer.kernel.placement import Placement
from enforcer.kernel.programs import AT_POINT, PROGRAMS, TELL_REPEATS, ProgramSpec
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import BpfObject
from enforcer.policy.language.casts import CASTS
from enforcer.policy.language.syscall_table import SYSCALLS

__all__ = ["CARRIED", "LABEL_MAP", "Sizes", "configure", "load", "open_object", "present"]

ENGINE: Final = "enforcer"
LABEL_MAP: Final = "tasks"
MARK_MAPS: Final = ("marks", "shared_marks", "passed_marks")
ROOT_MAP: Final = "roots"
CODE_MAP: Final = "code"
CARRIED: Final = (LABEL_MAP, *MARK_MAPS, ROOT_MAP, CODE_MAP)

_UNKNOWN_HELPER = re.compile(r"(?:unknown|invalid) func (\S+)")
_TOO_OLD = "enforcer needs Linux 6.1 or later"

_CONSTANTS: Final = ".rodata"
"""The map that each object has for itself: libbpf names it after the object."""

_LOCKS: Final = "enf_probe_locks"
_TWO_ADDRESSES: Final = struct.Struct("<QQ")

_LEAST_BYTES: Final = 1 << 20
"""All shipped policies fit in it, so that adding them one by one loads nothing anew."""

_LEAST_ROWS: Final = 2048
_MANY_BYTES: Final = 1 << 20
_MANY_ROWS: Final = 1 << 13
_CGROUPS: Final = (
    16384  # whose paths a recording session tells once; those of others again and again
)


@attrs.frozen
class Sizes:
    """
    What the maps and the verifier must know before the load.

    Attributes:
        image: bytes of the image map's value.
        rows: half the entries of ``hits``.
        carry: descriptors by name of the maps :data:`CARRIED` of the engine before, whose labels, marks and
            roots of containers go on; they must be of this ABI. Without :data:`LABEL_MAP`, labels are made anew.
        rings: bytes of those of denials and of the rest, powers of two; None is the object's own.
        records: what is decided is recorded with all of its operands.
        keeps_code: programs look at what becomes executable, so that what is carried of that goes on.
    """

    image: int
    rows: int
    carry: Mapping[str, int] | None = None
    rings: tuple[int, int] | None = None
    records: bool = False
    keeps_code: bool = False

    @property
    def keeps_labels(self) -> bool:
        """Whether labels of the engine before go on."""
        return self.carry is not None and LABEL_MAP in self.carry

    @classmethod
    def with_room(cls, *, image: int, rows: int, **others: Any) -> Self:
        """Leave room, so that most reloads find it."""
        return cls(
            _roomy(image, _LEAST_BYTES, _MANY_BYTES),
            _roomy(rows, _LEAST_ROWS, _MANY_ROWS),
            **others,
        )


def _roomy(size: int, least: int, many: int) -> int:
    """
    Return the next power of two from *least* on.

    Of more than *many* that would be megabytes for nothing: a sixteenth more, in sixteenths of a power
    of two. Never beyond the next power: Linux 6.1 has no values of more than 4 MiB.
    """
    power = max(least, 1 << (size - 1).bit_length())
    if size <= many:
        return power
    wanted = size + size // 16
    step = 1 << wanted.bit_length() - 5
    return min(power, -(-wanted // step) * step)


_held: Final[dict[str, bytes]] = {}


def hold(name: str) -> None:
    """
    Keep the object file *name* in memory: later changes of the file have no effect.

    Raises:
        EnforcerBug: if it is missing.
    """
    _held[name] = _read(name)


def _read(name: str) -> bytes:
    place = importlib.resources.files("enforcer.libbpf") / "objects" / f"{name}.bpf.o"
    try:
        return place.read_bytes()
    except FileNotFoundError:
        raise EnforcerBug(
            f"the BPF object {name}.bpf.o is not in the package: build it with 'python build.py'"
        ) from None


@functools.cache
def _types() -> int:
    """
    Return a file in memory for the kernel's types that the engine reads: a start opens its object twice, a change once.

    Without one (-1) libbpf looks through all of them, which takes longer and finds the same.
    """
    try:
        return os.memfd_create("enforcer-types", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:
        return -1


def open_object(name: str) -> BpfObject:
    """
    Open the object file *name* of the package.

    Raises:
        EnforcerBug: if it is missing, or was built from another ABI header.
        KernelError: if it is no BPF object.
    """
    types = _types() if name == ENGINE else -1
    opened = BpfObject.open(_held.get(name) or _read(name), name, types)
    built_for = opened.get_constant("enf_abi_hash", size=8)
    if built_for != abi.ABI_HASH:
        opened.close()
        raise EnforcerBug(
            f"the BPF object {name}.bpf.o was built from another enforcer_abi.h "
            f"({built_for:#018x}) than the extension ({abi.ABI_HASH:#018x}): run 'python build.py'"
        )
    return opened


def present(
    programs: Iterable[ProgramSpec], at: Placement = Placement.HOOKS
) -> tuple[ProgramSpec, ...]:
    """
    Leave out what is for another placement, and optional programs for whose hooks this kernel calls others.

    A hook that is missing and not optional is kept, so that loading it reports that.
    """
    return tuple(
        p
        for p in programs
        if p.only in {None, at} and (not p.optional or placement.has(p.hook, at))
    )


def load(
    engine: BpfObject,
    programs: Iterable[ProgramSpec],
    sizes: Sizes,
    *,
    model: int,
    at: Placement = Placement.HOOKS,
) -> None:
    """
    Configure the opened object *engine* and load *programs* of it, and what was switched on before.

    Args:
        engine: the engine's object.
        programs: LSM programs to load.
        sizes: what the maps must hold.
        model: descriptor of a map like those that the map of images will hold.
        at: where they are put.

    Raises:
        UnsupportedError: if this kernel cannot, with what would help.
        VerifierError: if the verifier refuses a program for another reason.
        KernelError: otherwise.
    """
    _choose(engine, programs, at)
    engine.programs[TELL_REPEATS].set_autoload(enabled=True)
    configure(engine, sizes)
    load_with_image(engine, sizes.image, model=model)


def load_beside(
    opened: BpfObject,
    programs: Iterable[ProgramSpec],
    sizes: Sizes,
    *,
    first: BpfObject,
    at: Placement,
) -> None:
    """
    The same with *opened*, the engine's object once more, and the maps of the *first*, which is loaded.

    Raises:
        UnsupportedError: if this kernel cannot, with what would help.
        VerifierError: if the verifier refuses a program for another reason.
        KernelError: otherwise.
    """
    _choose(opened, programs, at)
    set_constants(opened, sizes)
    for name, entry in opened.maps.items():
        if not name.endswith(_CONSTANTS):
            entry.reuse(first.maps[name].fd)
    _load(opened, sizes.image)


def _choose(engine: BpfObject, programs: Iterable[ProgramSpec], at: Placement) -> None:
    """Switch on the LSM programs *programs* of the opened object *engine*, and no others, for *at*."""
    wanted = {p.name: p for p in programs}
    known = {p.name for p in PROGRAMS}
    missing = wanted.keys() - engine.programs.keys()
    if missing:
        raise EnforcerBug(f"the BPF object {engine.name} lacks {', '.join(sorted(missing))}")
    for name, program in engine.programs.items():
        is_lsm = program.section.startswith("lsm") and not name.startswith(AT_POINT)
        if is_lsm and name not in known:
            raise EnforcerBug(f"the program {name} is not in the table of programs")
        if is_lsm:
            program.set_autoload(enabled=name in wanted)
    for name, spec in wanted.items():
        placement.place(engine.programs[name], spec.hook, at)
    engine.set_constant("enf_around", int(at is Placement.AROUND))
    engine.set_constant("enf_fileattr_hook", int("enf_inode_file_setattr" in wanted))


def load_with_image(opened: BpfObject, size: int, *, model: int) -> None:
    """
    Load an object that reads images of *size* bytes from maps like *model*.

    Raises:
        UnsupportedError: if this kernel cannot, with what would help.
        VerifierError: if the verifier refuses a program for another reason.
        KernelError: otherwise.
    """
    opened.maps["images"].set_inner(model)
    _load(opened, size)


def _load(opened: BpfObject, image_bytes: int) -> None:
    opened.set_constant("enf_image_bytes", image_bytes)
    try:
        opened.load()
    except KernelError as error:
        raise explain(error) from error


@functools.cache
def name_locks() -> tuple[int, int]:
    """
    Return the addresses of the kernel's locks on names and on mounts; 0 where it hides its symbols.

    Raises:
        KernelError: if the kernel refuses the program that asks.
    """
    with open_object("probe") as probe:
        for name, program in probe.programs.items():
            program.set_autoload(enabled=name == _LOCKS)
        probe.load()
        _, found = calls.run(probe.programs[_LOCKS].fd, bytes(_TWO_ADDRESSES.size))
    renames, mounts = _TWO_ADDRESSES.unpack(found)
    return renames, mounts


def configure(engine: BpfObject, sizes: Sizes) -> None:
    """Size the maps of the opened object *engine*, and tell its programs."""
    set_constants(engine, sizes)
    engine.maps["hits"].set_max_entries(2 * max(1, sizes.rows))
    if sizes.carry is not None:
        if sizes.keeps_labels:
            engine.maps["tasks_before"].reuse(sizes.carry[LABEL_MAP])
        for name in (*MARK_MAPS, ROOT_MAP):  # both engines set them while both are active
            engine.maps[name].reuse(sizes.carry[name])
        if sizes.keeps_code:  # else mappings would go unseen from now on
            engine.maps[CODE_MAP].reuse(sizes.carry[CODE_MAP])
    if sizes.records:
        engine.maps["cgroups_told"].set_max_entries(_CGROUPS)
    for name, size in zip(RINGS, sizes.rings or (), strict=False):
        engine.maps[name].set_max_entries(size)


def set_constants(engine: BpfObject, sizes: Sizes) -> None:
    """Tell the programs of the opened object *engine* what they are loaded for."""
    renames, mounts = name_locks()
    engine.set_constant("enf_rows", max(1, sizes.rows))
    engine.set_constant("enf_host_mnt_ns", host.host_mount_namespace())
    engine.set_constant("enf_rename_lock", renames, size=8)
    engine.set_constant("enf_mount_lock", mounts, size=8)
    places = pseudofs.packed()
    engine.set_constant("enf_places", int.from_bytes(places, "little"), size=len(places))
    casts = _casts()
    engine.set_constant("enf_casts", int.from_bytes(casts, "little"), size=len(casts))
    engine.set_constant("enf_carries", int(sizes.keeps_labels))
    engine.set_constant("enf_records", int(sizes.records))
    rings = sizes.rings or tuple(engine.maps[name].max_entries for name in RINGS)
    for name, size in zip(RINGS, rings, strict=True):
        engine.set_constant(f"enf_crowded_{name}", int(size * repeats.CROWDED))


def _casts() -> bytes:
    """Return ``struct enf_cast[ENF_CASTS]``."""
    cast = abi.decoder("enf_cast")[0]
    return b"".join(
        cast.pack(
            SYSCALLS[each.call].number,
            each.at,
            sum(1 << argument for argument in each.arguments),
            each.command,
        )
        for each in CASTS
    )


def explain(error: KernelError) -> KernelError:
    """Turn a refusal that means "this kernel cannot" into an error that says so; else return it."""
    if isinstance(error, VerifierError):
        helper = _UNKNOWN_HELPER.search(error.log)
        if helper is None:
            return error
        return UnsupportedError(
            f"this kernel ({host.release()}) lacks the BPF helper {helper[1]}: {_TOO_OLD}"
        )
    notes = "\n".join(getattr(error, "__notes__", ()))
    hook = re.search(r"kernel BTF type ID of '(?:bpf_lsm_)?(\w+)'", notes)
    if hook is not None:
        return UnsupportedError(
            f"this kernel ({host.release()}) has no LSM hook {hook[1]} for BPF: {_TOO_OLD}, "
            "built with CONFIG_BPF_LSM and CONFIG_DEBUG_INFO_BTF"
        )
    if error.errno in {errno.EPERM, errno.EACCES} and pin_store.left():
        return UnsupportedError(
            "another enforcer daemon is running, and if it is protected, no other process may "
            "load LSM programs: see enforcer status, or end it with enforcer stop",
            error.errno,
        )
    if error.errno in {errno.EPERM, errno.EACCES}:
        return UnsupportedError(
            "this kernel refuses LSM programs even from root, as some containers, hosted "
            "machines and locked-down kernels do: run enforcer on the host itself or in a "
            "virtual machine",
            error.errno,
        )
    return error
