# SPDX-License-Identifier: MIT
"""
The program that is told by which mount a task writes, for hooks that get no mount.

A kernel may take no program at the functions that say so, or may have none of these names. Then the hooks search for
the mount themselves, which finds one of several.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from enforcer.errors import UnsupportedError
from enforcer.kernel import functions
from enforcer.kernel.programs import mask

if TYPE_CHECKING:
    from enforcer.kernel.links import LinkSet
    from enforcer.libbpf.handles import Program

__all__ = ["OPS", "PROGRAM", "attach", "gap"]

PROGRAM: Final = "enf_write_access"

OPS: Final = mask("SETXATTR ATTRIBUTES")
"""The operations whose hooks get no mount."""

_FUNCTIONS: Final = (("mnt_want_write", 0), ("mnt_want_write_file", 1))

_GAP: Final = (
    "this kernel takes no program at the functions that give write access to a mount (mnt_want_write): a name in "
    "another mount namespace than the host's is known there only if one mount alone shows the file"
)


def attach(loaded: Program, links: LinkSet) -> None:
    """
    Attach the *loaded* program if this kernel takes it.

    Raises:
        KernelError: if the kernel refuses for another reason.
    """
    try:
        links.attach(functions.attachments(loaded, _FUNCTIONS))
    except UnsupportedError:
        # Falls to the search: the host's name is decided all the same. Told by gap().
        return


@functools.cache
def gap() -> str | None:
    """Say what is not known where this kernel does not take the program; None: it does."""
    return None if functions.takes_at(_FUNCTIONS) else _GAP
