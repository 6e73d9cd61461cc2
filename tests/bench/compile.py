# SPDX-License-Identifier: MIT
"""
What it takes from the text of policies to an image, in seconds of this machine's processor.

    tests/bench/compile.py [--rules 1000,10000]

First all that are in ``policies/``, then rules on exact paths, subtrees, globs and networks in equal parts, in
files of 2,000. Each set has a process of its own, which counts its processor time: what is more than that is
other processes.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from enforcer.compiler import BareHost, compile_policies, verify
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make_apart
from enforcer.runtime.policies.runtime_changes import Overlay

_SHIPPED: Final = Path(__file__).parents[2] / "policies"
_PER_FILE: Final = 2000
_TIMES: Final = 3
_HEAD: Final = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: part-{n}}}
spec:
  rules:
"""
_MADE: Final = (
    "{{file: read, match: {{path: /srv/app{a}/f{n}.db}}, action: deny}}",
    "{{file: write, match: {{path: /srv/t{b}/s{n}/**}}, action: deny}}",
    "{{exec: {{}}, match: {{path: '/home/*/b{c}/t-{n}*.sh'}}, action: kill}}",
    "{{network: connect, match: {{address: 10.{high}.{low}.0/24}}, action: log}}",
)


@attrs.frozen
class Figures:
    """
    What one set of rules takes.

    Attributes:
        rules: how many there are.
        read, compile, verify: processor time in seconds.
        apart: the same of all that the daemon's own process for it does at a reload: remarks, digests of
            each rule, the answer.
        image: bytes.
        peak: resident memory of the process, in bytes.
    """

    rules: int
    read: float
    compile: float
    verify: float
    apart: float
    image: int
    peak: int


def write(folder: Path, rules: int) -> None:
    """Write the policies."""
    for n, first in enumerate(range(0, rules, _PER_FILE)):
        lines = (
            _MADE[i % len(_MADE)].format(
                n=i, a=i % 97, b=i % 89, c=i % 50, high=i >> 8 & 255, low=i & 255
            )
            for i in range(first, min(first + _PER_FILE, rules))
        )
        text = _HEAD.format(n=n) + "".join(f"    - {line}\n" for line in lines)
        (folder / f"{n:03}.yaml").write_text(text)


def spent_by_children() -> float:
    """Return the processor time of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(rules: int | None) -> Figures:
    """Do everything once, with so many rules; None: with those that are in ``policies/``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if rules is not None else _SHIPPED
        if rules is not None:
            write(folder, rules)
        order = Order(Sources((folder,)), Overlay(), generation=1)
        begun = spent_by_children()
        make_apart(order)
        apart = spent_by_children() - begun
        at = [time.process_time()]
        policies = load_policies([folder])
        at.append(time.process_time())
        image = compile_policies(policies, host=BareHost()).image
        at.append(time.process_time())
        verify(image)
        at.append(time.process_time())
    took = (after - before for before, after in itertools.pairwise(at))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    number = sum(len(policy.rules) for policy in policies.policies)
    return Figures(number, *took, apart=apart, image=len(image), peak=peak)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default="", help="numbers of rules (1000,10000)")
    sizes = [None, *(int(n) for n in (parser.parse_args().rules or "1000,10000").split(","))]
    table = Table(title="from text to an image: seconds of the processor")
    for column in ("rules", "read", "compile", "together", "verify", "apart", "image", "peak"):
        table.add_column(column, justify="right", no_wrap=True)
    for rules in sizes:
        found = []
        for _ in range(_TIMES):
            # not daemonic: it has a child of its own
            context = multiprocessing.get_context("fork")
            here, there = context.Pipe(duplex=False)
            child = context.Process(target=lambda r=rules, t=there: t.send(measure(r)))
            child.start()
            found.append(here.recv())
            child.join()
        best = min(found, key=lambda f: f.read + f.compile)
        table.add_row(
            f"{best.rules:,}" + " shipped" * (rules is None),
            f"{best.read:.2f}",
            f"{best.compile:.2f}",
            f"{best.read + best.compile:.2f}",
            f"{best.verify:.2f}",
            f"{min(f.apart for f in found):.2f}",
            f"{best.image / (1 << 20):.1f} MiB",
            f"{best.peak / (1 << 20):.0f} MiB",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
