# SPDX-License-Identifier: MIT
"""
The programs in C that tests run in the guest, compiled on the host beforehand.

An emulated machine takes seconds for each. Run as a program, on the host, this compiles all of them into
``build/vm``. What is not there, or is of another source, is compiled where it is asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

__all__ = ["place"]

_HERE = Path(__file__).parent
_READY = _HERE.parents[1] / "build" / "vm"


@attrs.frozen
class Recipe:
    """How to compile a source beside this file; with ``clang`` what is for the kernel."""

    source: str
    options: tuple[str, ...] = ()
    compiler: str = "gcc"
    others: tuple[str, ...] = ()
    """Sources and headers that it is made of besides."""

    def make(self, output: Path) -> None:
        """
        Compile into *output*.

        Raises:
            subprocess.CalledProcessError: if the compiler refuses it.
        """
        sources = [str(_HERE / name) for name in (self.source, *self.others) if name[-2:] != ".h"]
        command = [*self._command(), "-o", str(output), *sources, *self.options]
        subprocess.run(command, check=True)

    def ready(self, name: str) -> Path:
        """Return where the product is if it has been compiled: the name tells from what, and how."""
        digest = hashlib.sha256((_HERE / self.source).read_bytes())
        for other in self.others:
            digest.update((_HERE / other).read_bytes())
        digest.update("\0".join(self._command() + list(self.options)).encode())
        return _READY / f"{name}-{digest.hexdigest()[:16]}"

    def _command(self) -> list[str]:
        if self.compiler != "clang":
            return [self.compiler, "-Wall"]
        include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
        clang = shutil.which("clang") or shutil.which("clang-19") or "clang"
        return [clang, "-g", "-O2", "-mcpu=v3", "-target", "bpf", include, "-c"]


_LIBRARY = ("-shared", "-fPIC")
_SEARCHER = ("-O1", "-static", "-pthread")
_KEEPER = ("-O1", "-no-pie", "-pthread")  # of fixed addresses, and with a loader
_NAMES = (
    "hunt/names.h",
    "hunt/names_files.c",
    "hunt/names_mounts.c",
    "hunt/names_pair.c",
    "hunt/names_rings.c",
    "hunt/names_world.c",
)
_PROCESSES = (
    "hunt/processes.h",
    "hunt/processes_code.c",
    "hunt/processes_contexts.c",
    "hunt/processes_credentials.c",
    "hunt/processes_keeper.c",
    "hunt/processes_marks.c",
    "hunt/processes_run.c",
    "hunt/processes_trace.c",
)
_SOCKETS = (
    "hunt/sockets.h",
    "hunt/sockets_addresses.c",
    "hunt/sockets_descriptors.c",
    "hunt/sockets_options.c",
    "hunt/sockets_races.c",
    "hunt/sockets_rings.c",
    "hunt/sockets_sends.c",
)
_HUNT = (
    "hunt/hunt.c",
    "hunt/hunt.h",
    "hunt/hunt_parts.h",
    "hunt/hunt_process.c",
    "hunt/hunt_sequence.c",
)
_ASSAILANTS = (
    "LSM",
    "MODIFY_RETURN",
    "OBSERVE",
    "SEND_SIGNAL",
    "SEND_SIGNAL_IN_SUBPROGRAM",
    "SEND_SIGNAL_LATE",
    "SEND_SIGNAL_TASK",
    "SEND_SIGNAL_THREAD",
    "WRITE_USER",
)
_RECIPES = {
    "around-network": Recipe("around_network.c"),
    "assail": Recipe("assail.c", ("-O1",)),
    "attempts": Recipe("attempts.c", ("-static", "-no-pie", "-O1")),
    "audit-library": Recipe("audit_library.c", ("-O1", *_LIBRARY)),
    "calls": Recipe("calls.c", ("-static", "-no-pie", "-O1")),
    "churn": Recipe("churn.c", ("-O2", "-Werror", "-static")),
    "contained": Recipe("contained.c", ("-O1", "-static")),
    "cost": Recipe("cost.c", ("-static", "-O2")),
    "deeds": Recipe("deeds.c", ("-pthread",)),
    "hunt-keeper": Recipe("hunt/processes.c", _KEEPER, others=(*_PROCESSES, *_HUNT)),
    "hunt-library": Recipe(
        "hunt/processes_library.c", _LIBRARY, others=("hunt/processes.h", "hunt/hunt.h")
    ),
    "hunt-names": Recipe("hunt/names.c", _SEARCHER, others=(*_NAMES, *_HUNT)),
    "hunt-processes": Recipe("hunt/processes.c", _SEARCHER, others=(*_PROCESSES, *_HUNT)),
    "hunt-sockets": Recipe("hunt/sockets.c", _SEARCHER, others=(*_SOCKETS, *_HUNT)),
    "keeper": Recipe("keeper.c", ("-O1", "-pthread", "-ldl")),
    "launch": Recipe("launch.c", ("-O1", "-pthread")),
    "mark": Recipe("mark.c", ("-O1", "-static")),
    "mark-dynamic": Recipe("mark.c", ("-O1",)),
    "mini-loader": Recipe("mini_loader.c", ("-O1", "-static")),
    "mm-map": Recipe("mm_map.c", ("-O1", "-static")),
    "net": Recipe("net.c"),
    "parent": Recipe("parent.c", ("-O1",)),
    "planted-library": Recipe("planted_library.c", _LIBRARY),
    "race": Recipe("race.c", ("-static", "-O1", "-pthread")),
    "storm": Recipe("storm.c", ("-static", "-O1", "-pthread")),
    "stand-in": Recipe("stand_in.c", ("-O1", "-static")),
    "system-attempts": Recipe("system_attempts.c", ("-O1", "-static")),
    **{
        f"assail-{what}": Recipe("assail.bpf.c", (f"-DWHAT={what}",), "clang")
        for what in _ASSAILANTS
    },
}


def place(name: str, output: Path) -> None:
    """
    Put the program *name* at *output*.

    Raises:
        KeyError: if there is no such program.
        subprocess.CalledProcessError: if it has to be compiled, and the compiler refuses it.
    """
    recipe = _RECIPES[name]
    ready = recipe.ready(name)
    if ready.exists():
        output.unlink(missing_ok=True)
        shutil.copy(ready, output)
    else:
        recipe.make(output)


def _make_ready(name: str) -> None:
    ready = _RECIPES[name].ready(name)
    if not ready.exists():
        for older in _READY.glob(f"{name}-{'[0-9a-f]' * 16}"):
            older.unlink()
        unfinished = ready.with_suffix(".new")
        _RECIPES[name].make(unfinished)
        unfinished.rename(ready)


def main() -> int:
    """Compile what is missing, and return the exit code."""
    _READY.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make_ready, _RECIPES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
