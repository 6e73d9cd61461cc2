# SPDX-License-Identifier: MIT
"""Which code this process may still load into itself."""

from __future__ import annotations

import errno

from enforcer.libbpf._check import check
from enforcer.libbpf._ffi import lib

__all__ = ["close"]


def close() -> bool:
    """
    From now on let this process and its children map no code and run no other program.

    Returns:
        False where this machine's system calls are not known to this function: nothing was done.

    Raises:
        KernelError: if the kernel refuses.
    """
    code = lib.enf_close_code()
    if code == -errno.ENOSYS:
        return False
    check(code, "keep code out of this process")
    return True
