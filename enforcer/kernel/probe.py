# SPDX-License-Identifier: MIT
"""
What this kernel can do for each operation, found by loading and attaching the engine's own programs.

Nothing is committed: programs without an image permit everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from enforcer.errors import KernelError
from enforcer.kernel import entries, functions, host, loader, placement, write_access
from enforcer.kernel.engine import Engine
from enforcer.kernel.image_map import ImageMap
from enforcer.kernel.lsm_support import Problem, find_call_gap, find_gap, find_placement
from enforcer.kernel.placement import Placement
from enforcer.kernel.programs import (
    ATTEMPTS,
    CALLS,
    HOOKS,
    IDENTITY,
    NAMES,
    POINTS,
    ProgramSpec,
    Role,
)
from enforcer.libbpf import abi
from enforcer.policy.language.kinds import Op
from enforcer.policy.language.operations import OPERATION_TABLE

__all__ = [
    "KILLS_AFTER",
    "NOTHING",
    "OBSERVES",
    "PREVENTS",
    "OperationSupport",
    "Report",
    "examine",
]

PREVENTS: Final = "prevent"
KILLS_AFTER: Final = "kill after"
OBSERVES: Final = "observe"
NOTHING: Final = "nothing"

_LATE: Final = {"EXEC_ARGV": "decided after the exec, before the program's first instruction"}
_REFUSED: Final = "the kernel has refused it already"
_BY_FUNCTION: Final = "only at functions whose result the kernel lets programs replace"
_NO_OVERRIDE: Final = (
    "this kernel cannot replace the result of a function (CONFIG_BPF_KPROBE_OVERRIDE)"
)
_BY_TRACEPOINT: Final = "a tracepoint cannot refuse"
_SIZES: Final = loader.Sizes(image=4096, rows=1)


_HIDDEN: Final = Problem(
    "the kernel hides the addresses of its symbols, so a rename during a decision is not noticed",
    "set kernel.kptr_restrict to 0 or 1, and give the process CAP_SYSLOG",
)


@attrs.frozen
class OperationSupport:
    """
    What this kernel gives for one operation.

    Attributes:
        op: the name, of ``enum enf_op``.
        gives: :data:`PREVENTS`, :data:`KILLS_AFTER`, :data:`OBSERVES` or :data:`NOTHING`.
        hooks: the LSM hooks that decide it here.
        reason: why it gives less than prevent, or not every time; or None.
        words: how policies ask about it.
    """

    op: str
    gives: str
    hooks: tuple[str, ...]
    reason: str | None = None
    words: tuple[str, ...] = attrs.field(kw_only=True)

    @words.default
    def _of_the_table(self) -> tuple[str, ...]:
        return OPERATION_TABLE[Op[self.op]].words


@attrs.frozen
class Report:
    """The whole table, and what stands in the way of more."""

    kernel: str
    at: Placement | None
    operations: tuple[OperationSupport, ...]
    problems: tuple[Problem, ...]

    @property
    def way(self) -> str | None:
        """How it is enforced here, as words; None if it is not."""
        if self.at is Placement.AROUND:
            return f"{self.at.value}, since bpf is not among the active LSMs"
        return self.at.value if self.at is not None else None

    @property
    def can_prevent(self) -> bool:
        """Whether any operation can be prevented."""
        return any(o.gives == PREVENTS for o in self.operations)


def examine() -> Report:
    """Try everything; what the kernel refuses is part of the answer, not an error."""
    at = find_placement()
    if isinstance(at, Problem):
        refusals = {spec.name: at.what for spec in HOOKS}
        return Report(host.release(), None, _operations(refusals, Placement.HOOKS), (at,))
    refusals = _refusals(at)
    problems = tuple(
        Problem(f"the program {name} is refused", reason) for name, reason in refusals.items()
    )
    if not host.shows_symbols():
        problems = (*problems, _HIDDEN)
    if (gap := find_gap(at)) is not None:
        problems = (*problems, gap)
    if len(set(refusals.values())) == 1 and len(refusals) > 1:
        reason = problems[0].remedy
        problems = (Problem(f"{len(refusals)} programs are refused", reason),)
    return Report(host.release(), at, _operations(refusals, at), problems)


def _refusals(at: Placement) -> dict[str, str]:
    """Return, by name, why programs are refused; those that keep labels stand for all."""
    specs = loader.present(HOOKS, at)
    if _try(specs, at) is None:
        return {}
    identity = _try((), at)
    if identity is not None:
        return {spec.name: identity for spec in HOOKS}
    return _search(specs, at)


def _search(specs: Sequence[ProgramSpec], at: Placement) -> dict[str, str]:
    """Find the refused ones among *specs* by halving: verification is what takes the time."""
    reason = _try(specs, at)
    if reason is None:
        return {}
    if len(specs) == 1:
        return {specs[0].name: reason}
    half = len(specs) // 2
    return _search(specs[:half], at) | _search(specs[half:], at)


def _try(specs: Sequence[ProgramSpec], at: Placement) -> str | None:
    """Load and attach *specs* beside the identity programs; return why the kernel refused."""
    programs = (*IDENTITY, *NAMES, *specs)
    try:
        with (
            contextlib.closing(ImageMap.create(_SIZES.image)) as model,
            contextlib.closing(Engine.load(programs, _SIZES, at=at, model=model.fd)) as engine,
        ):
            engine.attach(Role.IDENTITY)
            engine.attach(Role.HOOK)
    except KernelError as error:
        return str(error)
    return None


def _operations(refusals: dict[str, str], at: Placement) -> tuple[OperationSupport, ...]:
    found: list[OperationSupport] = []
    for op, bit in abi.OPS.items():
        of_rules = {CALLS: _of_calls, POINTS: _of_points, ATTEMPTS: _of_attempts}.get(1 << bit)
        if of_rules is None:
            found.append(_support(op, bit, refusals, at))
        elif (lack := _lack_of_labels(refusals)) is not None:
            found.append(OperationSupport(op, NOTHING, (), lack))
        else:
            found += of_rules(op)
    return tuple(found)


def _lack_of_labels(refusals: dict[str, str]) -> str | None:
    """Return why nothing is decided where rules name the place; labels must be kept for it, too."""
    for spec in IDENTITY:
        if spec.name in refusals:
            return refusals[spec.name]
    if refusals.keys() >= {spec.name for spec in HOOKS}:
        return next(iter(refusals.values()))
    return None


def _of_calls(op: str) -> Iterator[OperationSupport]:
    """What is decided at the entry of system calls."""
    hooks = ("kprobe.multi" if functions.takes_many() else "kprobe",)
    if entries.can_override():
        gap = find_call_gap()
        yield OperationSupport(op, PREVENTS, hooks, str(gap) if gap is not None else None)
    else:
        yield OperationSupport(op, KILLS_AFTER, hooks, entries.NO_OVERRIDE)


def _of_points(op: str) -> Iterator[OperationSupport]:
    """What is decided at points: each kind of them can do something else."""
    lsm, function, tracepoint = OPERATION_TABLE[Op[op]].words
    yield OperationSupport(op, PREVENTS, ("lsm",), words=(lsm,))
    if entries.can_override():
        gap = find_call_gap()
        but = f"{_BY_FUNCTION}; {gap.what}" if gap is not None else _BY_FUNCTION
        yield OperationSupport(op, PREVENTS, ("kprobe",), but, words=(function,))
    else:
        yield OperationSupport(op, KILLS_AFTER, ("kprobe",), _NO_OVERRIDE, words=(function,))
    yield OperationSupport(op, KILLS_AFTER, ("tracepoint",), _BY_TRACEPOINT, words=(tracepoint,))


def _of_attempts(op: str) -> Iterator[OperationSupport]:
    """What is seen at the end of calls that the kernel refused."""
    yield OperationSupport(op, OBSERVES, ("kretprobe",), _REFUSED)


def _support(op: str, bit: int, refusals: dict[str, str], at: Placement) -> OperationSupport:
    specs = [spec for spec in HOOKS if spec.ops >> bit & 1]
    refused = [spec for spec in specs if spec.name in refusals]
    if refused:
        # An operation with a gap is not one that can be prevented.
        return OperationSupport(op, NOTHING, (), refusals[refused[0].name])
    hooks = tuple(placement.where(spec.hook, at) for spec in loader.present(specs, at))
    if op in _LATE:
        return OperationSupport(op, KILLS_AFTER, hooks, _LATE[op])
    if at is Placement.AROUND and op == "EXEC_CREDS":
        return OperationSupport(op, KILLS_AFTER, hooks, placement.CAPABILITIES_LATE)
    but = write_access.gap() if write_access.OPS >> bit & 1 else None
    return OperationSupport(op, PREVENTS, hooks, but)
