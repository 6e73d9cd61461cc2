# SPDX-License-Identifier: MIT
"""
What the documentation prints, from real runs: ``tests/pages`` says how a page tells what to run.

Without arguments it lists how many blocks are run where, and which are not and why. ``--write`` runs
those of the pages that are named, or of all, and puts into the pages what came out where it differs;
``--at PLACE`` only those of one place. Blocks that need a kernel that enforces are run in the virtual
machine: ``make ready-for-guests`` comes before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/vm")]

from pages import places  # noqa: E402 - found by the line above
from pages.blocks import HOST, PAGES, PLACES  # noqa: E402
from pages.likeness import is_alike, merged  # noqa: E402
from pages.sessions import left_out, runs_at  # noqa: E402

_OUT = ROOT / "build/printed"
_RESULT = "printed.json"
_TIMEOUT = 1800


def listing():
    """Return what runs where, as lines."""
    counts: Counter[str] = Counter()
    for page in PAGES:
        counts.update({place: len(runs_at(page, place)) for place in PLACES})
    yield from (f"{counts[place]:4} in {said}" for place, said in PLACES.items())
    missing = [block for page in PAGES for block in left_out(page)]
    yield f"{len(missing):4} not run:"
    yield from (f"     {block}: {block.marks['not run']}" for block in missing)


def outcomes(pages, place):
    """Run what *pages* have for *place*, here; return page, line, printed, and what came, as lists."""
    return [
        [str(page), outcome.command.line, list(outcome.command.printed), list(outcome.came)]
        for page in pages
        for outcome in places.run(page, place)
    ]


def in_a_machine(pages, place):
    """Return the same from a guest."""
    shutil.rmtree(_OUT, ignore_errors=True)
    inner = [
        sys.executable,
        __file__,
        "--into",
        f"/run/vm/{_RESULT}",
        "--at",
        place,
        *map(str, pages),
    ]
    options = [
        "--cpus",
        "1",
        "--timeout",
        str(_TIMEOUT),
        "--out",
        str(_OUT),
        *places.OPTIONS[place],
    ]
    subprocess.run([sys.executable, ROOT / "tests/vm/run", *options, "--", *inner], check=True)
    return json.loads((_OUT / _RESULT).read_text("utf-8"))


def write(found):
    """Put what came into the pages; the last lines first, so that those before stay where they are."""
    for page, line, printed, came in sorted(found, key=lambda each: -each[1]):
        if printed and not is_alike(printed, came):
            path = Path(page)
            lines = path.read_text("utf-8").splitlines()
            begin = line + 1
            lines[begin : begin + len(printed)] = merged(printed, came)
            path.write_text("\n".join(lines) + "\n", "utf-8")
            print(f"{path.relative_to(ROOT)}:{line + 1}: renewed")


def _main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1], allow_abbrev=False)
    parser.add_argument("--write", action="store_true", help="put what came out into the pages")
    parser.add_argument("--at", choices=PLACES, help="only what is run at this place")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("pages", nargs="*", type=lambda name: Path(name).resolve())
    options = parser.parse_args()
    pages = [page for page in PAGES if not options.pages or page in options.pages]
    if options.into:
        options.into.write_text(json.dumps(outcomes(pages, options.at)), "utf-8")
    elif options.write:
        for place in [options.at] if options.at else PLACES:
            wanted = [page for page in pages if runs_at(page, place)]
            if wanted:
                write((outcomes if place == HOST else in_a_machine)(wanted, place))
    else:
        print(*listing(), sep="\n")


if __name__ == "__main__":
    _main()
