# SPDX-License-Identifier: MIT
"""
Arguments that a system call has as ``unsigned long`` and casts to ``int`` for some of its commands.

What the caller puts above is not looked at there, so it is not compared either.
Linux 6.12: ``do_fcntl`` in fs/fcntl.c, security/keys/keyctl.c, and for prctl kernel/sys.c, kernel/sched/core_sched.c,
arch/x86/kernel/process.c and security/yama/yama_lsm.c. A kernel that casts less refuses what has more bits, or
looks at the same bits of it: then a rule refuses what would have failed.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["CASTS", "Cast", "cast_arguments"]

# Call/which argument is the command, then each command with the arguments that it casts, a digit each.
_TABLE: Final = """
fcntl/1 0/2 2/2 4/2 8/2 10/2 1024/2 1026/2 1027/2 1030/2 1031/2 1033/2
keyctl/0 0/2 4/23 5/2 6/3 8/2 9/2 10/4 12/4 13/23 15/2 19/234 20/34 22/2 30/234 32/23
prctl/0 26/1 35/1 62/123 0x59616d61/1
"""


@attrs.frozen
class Cast:
    """
    What one command of a call casts.

    Attributes:
        call: its name.
        at: which argument is the command.
        command: its number.
        arguments: those that are cast.
    """

    call: str
    at: int
    command: int
    arguments: frozenset[int]


def _parse(row: str) -> tuple[Cast, ...]:
    head, *commands = row.split()
    call, _, at = head.partition("/")
    found = (command.split("/") for command in commands)
    return tuple(Cast(call, int(at), int(n, 0), frozenset(map(int, which))) for n, which in found)


CASTS: Final = tuple(cast for row in _TABLE.strip().splitlines() for cast in _parse(row))


def cast_arguments(call: str) -> frozenset[int]:
    """Return the arguments of *call* that any of its commands casts."""
    return frozenset(at for cast in CASTS if cast.call == call for at in cast.arguments)
