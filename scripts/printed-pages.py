# SPDX-License-Identifier: MIT
"""
What the documentation prints, from real runs: ``tests/pages`` says how a page tells what to run.

Without arguments it lists how many blocks are run where, and which are not and why. ``--write`` runs
those of the pages that are named, or of all, and puts into the pages what came out where it differs;
``--check`` only says so. ``--at PLACE`` takes those of one place, and ``--with DIR`` another enforcer than
that of the tree. Blocks that need a kernel that enforces are run in the virtual machine:
``make ready-for-guests`` comes before, and ``make packages`` for pages that install some.
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
from pages.sessions import left_out, problems, runs_at  # noqa: E402

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


def outcomes(pages, place, enforcer):
    """Run what *pages* have for *place*, here; yield page, line, printed, what came, and what is wrong with it."""
    for page in pages:
        for outcome in places.run(page, place, enforcer):
            command = outcome.command
            yield str(page), command.line, command.printed, outcome.came, problems(outcome)


def in_a_machine(pages, place, enforcer):
    """Return the same from a guest."""
    shutil.rmtree(_OUT, ignore_errors=True)
    inner = [sys.executable, __file__, "--into", f"/run/vm/{_RESULT}", "--at", place]
    inner += ["--with", str(enforcer.parent), *map(str, pages)]
    options = ["--cpus", "1", "--timeout", str(_TIMEOUT), "--out", str(_OUT)]
    run = [sys.executable, ROOT / "tests/vm/run", *options, *places.OPTIONS[place], "--", *inner]
    subprocess.run(run, check=True)
    return json.loads((_OUT / _RESULT).read_text("utf-8"))


def write(found):
    """Put what came into the pages; the last lines first, so that those before stay where they are."""
    for page, line, printed, came, _ in sorted(found, key=lambda each: -each[1]):
        if printed and not is_alike(printed, came):
            path = Path(page)
            lines = path.read_text("utf-8").splitlines()
            begin = line + 1
            lines[begin : begin + len(printed)] = merged(printed, came)
            path.write_text("\n".join(lines) + "\n", "utf-8")
            print(f"{path.relative_to(ROOT)}:{line + 1}: renewed")


def check(found):
    """Print what is not as printed; return the exit code."""
    wrong = [each[-1] for each in found if each[-1]]
    print(*("\n".join(lines) for lines in wrong), sep="\n", end="\n" if wrong else "")
    print(f"{len(found)} outputs, {len(wrong)} not as printed")
    return bool(wrong)


def _main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1], allow_abbrev=False)
    add = parser.add_argument
    add("--write", action="store_true", help="put what came out into the pages")
    add("--check", action="store_true", help="say where it differs, and end with 1 if it does")
    add("--at", choices=PLACES, help="only what is run at this place")
    add("--with", dest="folder", type=Path, help="the folder of the enforcer to run: of a wheel")
    add("--into", type=Path, help=argparse.SUPPRESS)
    add("pages", nargs="*", type=lambda name: Path(name).resolve())
    options = parser.parse_args()
    pages = [page for page in PAGES if not options.pages or page in options.pages]
    enforcer = options.folder.absolute() / "enforcer" if options.folder else places.ENFORCER
    if options.into:
        found = list(outcomes(pages, options.at, enforcer))
        options.into.write_text(json.dumps(found), "utf-8")
        return 0
    if not options.write and not options.check:
        print(*listing(), sep="\n")
        return 0
    code = 0
    for place in [options.at] if options.at else PLACES:
        if wanted := [page for page in pages if runs_at(page, place)]:
            found = list((outcomes if place == HOST else in_a_machine)(wanted, place, enforcer))
            code |= check(found) if options.check else write(found) or 0
    return code


if __name__ == "__main__":
    sys.exit(_main())
