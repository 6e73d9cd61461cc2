# SPDX-License-Identifier: MIT
"""
Where the programs of LSM hooks are put: at the hooks, or around the kernel's functions that call them.

The kernel calls programs at hooks only if bpf is among its active LSMs. It always accepts programs around
functions whose names begin with ``security_``. If such a program returns an error, that is the function's
result, and neither the function nor the hooks of other LSMs are called. If it returns 0, the function runs.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host
from enforcer.libbpf import calls
from enforcer.libbpf.handles import How

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.libbpf.handles import Program

__all__ = [
    "CAPABILITIES_LATE",
    "Placement",
    "function_of",
    "has",
    "passed_by",
    "place",
    "place_at",
    "where",
]


class Placement(enum.Enum):
    """Where programs of LSM hooks are put."""

    HOOKS = "LSM hooks"
    AROUND = "security_* functions"


_OTHER_NAMES: Final = {"userns_create": "security_create_user_ns"}

_RENAMED: Final = frozenset(
    {"bpf_map_free", "bpf_prog_free"} | {"bpf_map_free_security", "bpf_prog_free_security"}
)
"""Old and new hooks that one function calls: Linux 6.9 renamed them, and gave one of them another argument."""

_RETURNS_NOTHING: Final = _RENAMED | {"bprm_committed_creds", "inode_free_security"}

_ANY_HOOK: Final = "file_open"

_AT_THE_END: Final = frozenset({"bprm_creds_from_file"})
"""What is to be decided is made by other LSMs in the function: the program comes too late to refuse."""

CAPABILITIES_LATE: Final = (
    "bpf is not among the active LSMs, so this kernel tells the capabilities of a file too late "
    "to refuse its exec"
)


def function_of(hook: str) -> str:
    """Return the function of the kernel that calls the LSM hook *hook*."""
    return _OTHER_NAMES.get(hook) or f"security_{hook.removesuffix('_security')}"


def where(hook: str, placement: Placement) -> str:
    """Return the place of a program for *hook*."""
    return hook if placement is Placement.HOOKS else function_of(hook)


def has(hook: str, placement: Placement) -> bool:
    """Tell whether this kernel has the place of a program for *hook*."""
    if placement is Placement.HOOKS:
        return calls.has_lsm_hook(hook)
    if hook in _RENAMED and calls.has_lsm_hook(_ANY_HOOK):  # else nothing says which of them it is
        return calls.has_lsm_hook(hook)
    return calls.has_security_function(function_of(hook))


def place(program: Program, hook: str, placement: Placement) -> None:
    """
    Have *program*, which was built for *hook*, loaded for *placement*.

    Raises:
        UnsupportedError: if the kernel has no such function.
    """
    if placement is Placement.HOOKS:
        return
    how = How.BEFORE_RESULT
    if hook in _AT_THE_END:
        how = How.END
    elif hook in _RETURNS_NOTHING:
        how = How.BEGINNING
    _put(program, hook, how)


def place_at(program: Program, hook: str, placement: Placement, *, is_void: bool) -> None:
    """
    Have *program*, which fits every hook, loaded for *hook* and *placement*.

    Raises:
        UnsupportedError: if the kernel has no such hook, or its function has other arguments.
        KernelError: if the kernel's types cannot be read.
    """
    if placement is Placement.HOOKS:
        program.set_target(hook)
        return
    function = function_of(hook)
    if not calls.has_security_function(function) or not calls.are_alike(
        f"bpf_lsm_{hook}", function
    ):
        raise UnsupportedError(
            f"bpf is not among this kernel's active LSMs, and its function {function} cannot "
            f"stand for the LSM hook {hook}: boot with bpf in the lsm= list"
        )
    _put(program, hook, How.BEGINNING if is_void else How.BEFORE_RESULT)


def passed_by(programs: Iterable[Program]) -> int:
    """
    Count how often *programs* did not run, since they were already running on that processor.

    Raises:
        KernelError: if the kernel does not say.
    """
    loaded = (program for program in programs if program.is_passed_over and program.fd >= 0)
    return sum(calls.recursion_misses(program.fd) for program in loaded)


def _put(program: Program, hook: str, how: How) -> None:
    function = function_of(hook)
    try:
        program.set_around(function, how)
    except KernelError as error:
        raise UnsupportedError(
            f"this kernel ({host.release()}) has no function {function} for BPF, and bpf is not "
            "among its active LSMs: boot with bpf in the lsm= list",
            error.errno or 0,
        ) from error
