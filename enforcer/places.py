# SPDX-License-Identifier: MIT
"""Default paths on a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = [
    "BASE_SPEC",
    "CONFIG",
    "HOOK",
    "HOOKS",
    "KUBE",
    "LAST_GOOD",
    "PINS",
    "POLICIES",
    "RESULTS",
    "SOCKET",
    "STDIN",
    "STDIN_NAME",
    "STDOUT",
]

CONFIG: Final = Path("/etc/enforcer/enforcer.yaml")
BASE_SPEC: Final = Path("/etc/enforcer/containerd-base-spec.json")
HOOK: Final = Path("/etc/enforcer/container-hook.json")
HOOKS: Final = Path("/usr/share/containers/oci/hooks.d")
LAST_GOOD: Final = Path("/var/lib/enforcer/last-good.json")
KUBE: Final = Path("/var/lib/enforcer/kube")
POLICIES: Final = Path("/etc/enforcer/policies")
RESULTS: Final = Path("/var/lib/enforcer/results/results.json")
SOCKET: Final = Path("/run/enforcer/enforcer.sock")
PINS: Final = Path("/sys/fs/bpf/enforcer")

STDIN: Final = Path("/dev/stdin")
"""What ``-`` stands for where a file can be standard input. A file called ``-`` is ``./-`` and no other path."""

STDIN_NAME: Final = "<stdin>"
"""What places in it are called."""

STDOUT: Final = Path("/dev/stdout")
"""What ``-`` stands for where a log can be standard output."""
