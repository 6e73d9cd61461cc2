# SPDX-License-Identifier: MIT
"""Programs of the host that the laboratory calls, and the error it reports."""

from __future__ import annotations

import os
import shutil

# Daemons and administrator tools are not on an ordinary user's PATH.
_MORE_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/libexec", "/usr/lib/qemu", "/usr/lib/virtiofsd")


class LabError(Exception):
    """The laboratory cannot do what it was asked to; the text says why and what to do."""


def tool(name: str) -> str:
    """
    Find the program *name*.

    Raises:
        LabError: when this machine does not have it.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_DIRECTORIES))
    found = shutil.which(name, path=path)
    if found is None:
        raise LabError(f"{name} is not installed: run scripts/setup.sh as root")
    return found
