# SPDX-License-Identifier: MIT
"""A process that this one has forked."""

from __future__ import annotations

from enforcer.libbpf._check import check
from enforcer.libbpf._ffi import lib

__all__ = ["end_with"]


def end_with(parent: int) -> None:
    """
    Be killed when *parent* ends, which has forked this process; at once if it has ended already.

    A child has copies of all descriptors: with them, locks and links would outlive whoever made them.
    PR_SET_PDEATHSIG, see prctl(2).

    Raises:
        KernelError: if the kernel refuses.
    """
    check(lib.enf_end_with(parent), "end with the parent")
