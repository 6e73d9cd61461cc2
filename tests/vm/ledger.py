# SPDX-License-Identifier: MIT
"""
The ledger of loads: what the tests let the verifier do, in numbers that are the same on every machine.

Each load of the engine's BPF object by a process that keeps the ledger is one line: the file of the
test, whether it was the start of an engine or more of one (its core, other hooks), the programs that
were loaded, and the instructions that the verifier went through for them.
As a program this is ``enforcer`` that keeps the ledger: ``ledger.py start policy.yaml``.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from enforcer.kernel.programs import LABEL_TASKS
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

__all__ = ["ENGINE", "LEDGER", "keep", "line"]

ENGINE = "enforcer"
LEDGER = Path("/run/vm/ledger")


def keep() -> None:
    """From now on, write down what this process and those forked from it load. Idempotent."""
    load = BpfObject.load
    if hasattr(load, "__wrapped__"):
        return

    @functools.wraps(load)
    def written_down(self: BpfObject) -> None:
        load(self)
        if self.name == ENGINE:
            _append(line(self, os.environ.get("PYTEST_CURRENT_TEST", "")))

    BpfObject.load = written_down  # type: ignore[method-assign]


def line(loaded: BpfObject, test: str) -> str:
    """Return the line for *loaded* during *test*, as pytest names it; ``-`` stands for none."""
    descriptors = [p.fd for p in loaded.programs.values() if p.fd >= 0]
    instructions = sum(map(calls.verified_instructions, descriptors))
    file = Path(test.partition("::")[0]).name or "-"
    # What labels processes is loaded with every engine, and never again.
    kind = "start" if loaded.programs[LABEL_TASKS].fd >= 0 else "more"
    return f"{file} {kind} {len(descriptors)} {instructions}\n"


def _append(text: str) -> None:
    """One call of write(2) for a line: several processes write it. Nothing outside the laboratory."""
    if not LEDGER.parent.is_dir():
        return
    fd = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


if __name__ == "__main__":
    from cheap_keys import make_keys_cheap

    from enforcer.cli.main import main

    make_keys_cheap()
    keep()
    sys.exit(main())
