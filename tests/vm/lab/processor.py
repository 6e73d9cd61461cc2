# SPDX-License-Identifier: MIT
"""The processor that the guest sees, as QEMU's ``-cpu`` describes it."""

from __future__ import annotations

import subprocess

from .tools import LabError, tool

# Everything that QEMU can emulate.
MOST = "max"

# The kernel copies and clears memory with `rep movsb` and `rep stosb` where these flags say that they
# are fast. Plain emulation runs them byte by byte: with them, verification of programs takes two
# thirds longer. Without them the kernel copies words.
_COPIES = ("erms", "fsrm", "fzrm", "fsrs", "fsrc")
# A fifth level of page tables to walk, leave for each access to memory of a user, and keys of pages to be
# switched with each task: together they cost a twelfth. Where instructions are counted, they stay: they are
# executed on real processors, too.
_PAGES = ("la57", "smap", "pku")
_FLAGS = "Recognized CPUID flags:"


def fastest(*, is_counted: bool = False) -> str:
    """
    Return the model whose emulation is the fastest: all but the flags that make it slow.

    Args:
        is_counted: instructions are counted, so that those of a real processor must not be missing.

    Raises:
        LabError: when QEMU is missing or does not tell which flags it knows.
    """
    listed = subprocess.run(
        [tool("qemu-system-x86_64"), "-cpu", "help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return model(listed.stdout, is_counted=is_counted)


def model(listed: str, *, is_counted: bool = False) -> str:
    """Return the model for a QEMU that answered *listed* to ``-cpu help``, as :func:`fastest`."""
    _, found, flags = listed.partition(_FLAGS)
    if not found:
        raise LabError(
            "QEMU does not list its processor flags: name a model with --cpu, such as max"
        )
    known = set(flags.split())
    slow = _COPIES if is_counted else (*_COPIES, *_PAGES)
    # An older QEMU refuses a flag that it does not know, and cannot show it to the guest either.
    return ",".join((MOST, *(f"{flag}=off" for flag in slow if flag in known)))
