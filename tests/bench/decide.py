# SPDX-License-Identifier: MIT
"""
What one decision takes, in nanoseconds, on this machine: as BPF in its kernel, and natively.

    tests/bench/decide.py [--rules 1,10000]

The core alone: operands are at hand and the sets of the process are current. The kernel runs it by
``BPF_PROG_TEST_RUN``, for which root is needed. The least of several rounds counts: what is more is
another process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "decisions"))
sys.path.insert(2, str(Path(__file__).resolve().parents[1]))

from builds import KernelBuild, actor_input, fill, run_native
from cases import PLAIN, SHAPES, Family, Scope, Shape
from reference.semantics import Access, Actor, Identity
from rich.console import Console
from rich.table import Table
from texts import VARIANTS, image

from enforcer.errors import KernelError
from enforcer.libbpf._ffi import ffi, lib
from enforcer.policy.language.vocabulary import Dim, Op

_ROUNDS: Final = 15
_TIMES: Final = 20000
_ROOM: Final = 8 << 20
_SHAPES: Final = (PLAIN, SHAPES[-1])


def native(data: bytes, given: Any) -> Callable[[int], int]:
    """Return what times the native build on *given*."""
    spent = ffi.new("unsigned long long *")

    def time(times: int) -> int:
        code = lib.enf_native_decide_time(data, len(data), given, times, spent)
        assert code == 0, f"the native build returned {code}"
        return int(spent[0])

    return time


def least(time: Callable[[int], int]) -> float:
    """Return nanoseconds for one decision."""
    return min(time(_TIMES) for _ in range(_ROUNDS)) / _TIMES


def operands(data: bytes, scope: Scope, shape: Shape) -> Any:
    """Return the opening of a file by the user that *scope* means."""
    user = int(scope.user)
    who = Identity(exe=b"/usr/bin/work", uid=user, euid=user, gid=user, egid=user)
    given = actor_input(run_native, data, Actor(who))
    fill(given, Access((Op.READ,), {Dim.PATH: shape.path("A").encode()}))
    given.reval = 0
    return given


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default="", help="numbers of rules (1,10,100,1000,10000)")
    rules = parser.parse_args().rules or "1,10,100,1000,10000"
    kernel: KernelBuild | None = None
    try:
        kernel = KernelBuild.load(_ROOM)
    except KernelError as error:
        print(f"bench: the kernel is left out: {error}", file=sys.stderr)
    table = Table(title="one decision on opening a file, nanoseconds")
    for name in ("scope", "depth / length"):
        table.add_column(name)
    sizes = [int(n) for n in rules.split(",")]
    for n in sizes:
        table.add_column(f"{n:,} rules\nkernel / native", justify="right")
    images = {(n, v): image(Family.OPEN, n, v) for n in sizes for v in VARIANTS}
    for scope in Scope:
        for shape in _SHAPES:
            cells = []
            for n in sizes:
                data = images[n, scope if scope in VARIANTS else Scope.IN]
                given = operands(data, scope, shape)
                here = least(native(data, given))
                there = "-"
                if kernel is not None:
                    kernel(data, given)
                    there = f"{least(kernel.time):,.0f}"
                cells.append(f"{there} / {here:,.0f}")
            table.add_row(scope, f"{shape.depth} / {shape.length:,}", *cells)
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    main()
