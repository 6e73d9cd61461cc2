# SPDX-License-Identifier: MIT
"""
Points of the kernel that rules name: which programs decide there, and how they are bound and attached.

All entries of functions share one program, and so do all tracepoints; a cookie tells the program which
point it is at. Each hook, end of a function and raw tracepoint needs its own program: the object has
some of each.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug, KernelError, UnsupportedError
from enforcer.kernel import entries, functions, placement
from enforcer.kernel.image_map import Point
from enforcer.kernel.links import LinkSet
from enforcer.kernel.placement import Placement
from enforcer.libbpf.handles import BpfObject, Link, Program

__all__ = ["Plan", "attach", "can_override", "plan", "prepare"]

OVERRIDE: Final = "enf_point_override"
ENTRY: Final = "enf_point_entry"
TRACE: Final = "enf_point_trace"

LSM: Final = _abi.ENF_POINT_LSM
KPROBE: Final = _abi.ENF_POINT_KPROBE
KRETPROBE: Final = _abi.ENF_POINT_KRETPROBE
TRACEPOINT: Final = _abi.ENF_POINT_TRACEPOINT
RAW: Final = _abi.ENF_POINT_RAW
_WORDS: Final = {
    LSM: "the LSM hook",
    KPROBE: "the function",
    KRETPROBE: "the end of the function",
    TRACEPOINT: "the tracepoint",
    RAW: "the raw tracepoint",
}
PLACES: Final = {LSM: ("hook", 16), KRETPROBE: ("end", 8), RAW: ("raw", 8)}
"""Of what needs a program for each point: the word in their names, and how many there are."""

_VOID: Final = "void"
"""The word of those around functions that return nothing, which the kernel lets nobody extend."""

_INJECTABLE: Final = tuple(
    root / "error_injection/list" for root in (Path("/sys/kernel/debug"), Path("/debug"))
)


@attrs.frozen
class Plan:
    """Which program decides at each point."""

    programs: tuple[tuple[Point, str], ...] = ()

    @property
    def points(self) -> frozenset[Point]:
        """The points."""
        return frozenset(point for point, _ in self.programs)

    @property
    def names(self) -> frozenset[str]:
        """The programs to load."""
        return frozenset(name for _, name in self.programs)


def plan(points: Iterable[Point], at: Placement = Placement.HOOKS) -> Plan:
    """
    Find a program for every point, where those of LSM hooks are put *at*.

    Raises:
        UnsupportedError: if there are more than programs for them, or one is not known to this kernel.
    """
    taken: Counter[int] = Counter()
    found = []
    for point in sorted(points, key=lambda point: point.number):
        kind = point.kind
        if not point.is_bound:
            raise UnsupportedError(
                f"{_WORDS[kind]} {point.name} is not known on this machine: that needs the "
                "kernel's BTF (/sys/kernel/btf/vmlinux), and for tracepoints /sys/kernel/tracing"
            )
        if kind in PLACES:
            word, most = PLACES[kind]
            if taken[kind] >= most:
                raise UnsupportedError(
                    f"rules name {_WORDS[kind]} {point.name} and {most} others of the kind: the "
                    f"limit is {most}"
                )
            if kind is LSM and at is Placement.AROUND and point.is_void:
                word = _VOID
            found.append((point, f"enf_point_{word}_{taken[kind]}"))
            taken[kind] += 1
        elif kind is TRACEPOINT:
            found.append((point, TRACE))
        else:
            found.append((point, OVERRIDE if can_override(point.name) else ENTRY))
    return Plan(tuple(found))


def prepare(engine: BpfObject, wanted: Plan, at: Placement = Placement.HOOKS) -> None:
    """
    Say which programs of the opened object *engine* are loaded, and for what.

    Raises:
        UnsupportedError: if the kernel has no such hook or function.
    """
    for point, name in wanted.programs:
        program = engine.programs.get(name)
        if program is None:
            raise EnforcerBug(f"the BPF object {engine.name} lacks {name}")
        if point.kind is KPROBE:
            functions.prepare(program)
            continue
        program.set_autoload(enabled=True)
        if point.kind is TRACEPOINT:
            continue
        word, place = PLACES[point.kind][0], name.rpartition("_")[2]
        for what, value in (
            ("number", point.number),
            ("args", point.n_args),
            ("void", int(point.is_void)),
        ):
            engine.set_constant(f"enf_{word}_{what}_{place}", value)
        if point.kind is RAW:
            continue
        try:
            if point.kind is LSM:
                placement.place_at(program, point.name, at, is_void=point.is_void)
            else:
                program.set_target(point.name)
        except UnsupportedError:
            raise
        except KernelError as error:
            raise UnsupportedError(
                f"this kernel accepts no program at {_WORDS[point.kind]} {point.name}",
                error.errno or 0,
            ) from error


def attach(engine: BpfObject, wanted: Plan, links: LinkSet) -> None:
    """
    Attach the loaded programs of *wanted*, all or none.

    Raises:
        UnsupportedError: if the kernel refuses one.
    """
    links.attach(_each(engine, wanted))


def _each(engine: BpfObject, wanted: Plan) -> Iterator[_At | functions.At]:
    for point, name in wanted.programs:
        if point.kind is not KPROBE:
            yield _At(engine.programs[name], point)
    for name in (OVERRIDE, ENTRY):
        at = [(point.name, point.number) for point, program in wanted.programs if program == name]
        if at:
            yield from functions.attachments(engine.programs[name], at)


@attrs.frozen
class _At:
    """A program with the point that it is for, which is no function's entry."""

    program: Program
    point: Point

    def attach(self) -> Link:
        point = self.point
        try:
            if point.kind is TRACEPOINT:
                category, _, event = point.name.partition("/")
                return self.program.attach_tracepoint(category, event, point.number)
            if point.kind is RAW:
                return self.program.attach_raw(point.name)
            return self.program.attach()
        except KernelError as error:
            raise UnsupportedError(
                f"this kernel accepts no program at {_WORDS[point.kind]} {point.name}",
                error.errno or 0,
            ) from error


# ---- What comes of it ---------------------------------------------------------------------------


def can_override(function: str) -> bool:
    """
    Tell whether the result of *function* can be replaced before it begins.

    If the kernel's list of such functions cannot be read, the answer is no: then a rule that must refuse
    is rejected visibly, instead of accepted and not carried out.
    """
    return entries.can_override() and function in _injectable()


@functools.cache
def _injectable() -> frozenset[str]:
    for path in _INJECTABLE:
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        return frozenset(words[0] for line in lines if (words := line.split()))
    return frozenset()
