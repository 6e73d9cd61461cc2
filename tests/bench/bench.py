# SPDX-License-Identifier: MIT
"""
Measure what the engine costs, in instructions: prepare here, measure in a guest, show.

    tests/bench/bench.py [--only open,exec] [--rules 1,10000]

Leaves every figure in build/bench.json and, of a whole run, the plot in build/bench.svg.
docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cases import LIBRARIES, PROGRAM, Family, Record, Selection
from peers import fetch_apparmor
from rich.console import Console
from table import bars, maps_table, tables
from texts import image, variants

from enforcer.compiler import compile_policies
from enforcer.policy.model.policy import PolicySet

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
WORK: Final = ROOT / "build" / "bench"
_TIMEOUT: Final = 4 * 3600


def compile_programs() -> None:
    """Make what runs in the guest."""
    compiler = ["gcc", "-O2", "-Wall", "-static"]
    subprocess.run([*compiler, "-o", WORK / "work", HERE / "work.c"], check=True)
    subprocess.run([*compiler, "-nostdlib", "-o", WORK / "true", HERE / "true.c"], check=True)
    compile_dynamic(WORK / "lib")
    sys.path.insert(0, str(ROOT))
    import build

    with build.work_folder():
        build.build_object(WORK / "empty.bpf.o", [HERE / "empty.bpf.c"])


def compile_dynamic(folder: Path) -> None:
    """Make a program with six libraries, as it lies in the guest: with what loads it, and the C library, beside it."""
    folder.mkdir(exist_ok=True)
    where = Path(PROGRAM).parent
    parts = [name for name in LIBRARIES if name.startswith("libpart")]
    for name in parts:
        text = f"int {Path(name).stem}(void)\n{{\n\treturn 0;\n}}\n"
        flags = ["-O2", "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{name}", "-x", "c", "-"]
        subprocess.run(["gcc", *flags, "-o", folder / name], input=text, text=True, check=True)
    declared = "".join(f"int {Path(name).stem}(void);\n" for name in parts)
    sum_of = " + ".join(f"{Path(name).stem}()" for name in parts)
    flags = ["-O2", f"-Wl,-rpath,{where}", f"-Wl,--dynamic-linker,{where}/ld.so"]
    subprocess.run(
        ["gcc", *flags, "-o", folder / Path(PROGRAM).name, "-x", "c", "-", "-x", "none"]
        + [str(folder / name) for name in parts],
        input=f"{declared}int main(void)\n{{\n\treturn {sum_of};\n}}\n",
        text=True,
        check=True,
    )
    for line in Path("/proc/self/maps").read_text().splitlines():
        mapped = Path(line.split(maxsplit=5)[-1])
        if mapped.name == "libc.so.6" or mapped.name.startswith("ld-linux"):
            shutil.copy(mapped, folder / ("libc.so.6" if mapped.name[:2] != "ld" else "ld.so"))


def compile_images(selection: Selection) -> None:
    """Make the images of all policies."""
    folder = WORK / "images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "none").write_bytes(compile_policies(PolicySet(())).image)
    for family, rules in needed(selection):
        for scope in variants(family):
            (folder / f"{family}-{rules}-{scope}").write_bytes(image(family, rules, scope))


def needed(selection: Selection) -> Iterator[tuple[Family, int]]:
    """The policies of a selection."""
    for family in selection.families:
        for rules in selection.sizes(family):
            yield family, rules


def measure(selection: Selection) -> None:
    """Run the guest's part."""
    guest = [ROOT / ".venv/bin/python", HERE / "guest.py", *selection.arguments]
    # Figures are for a processor with all its flags, whatever is fastest to emulate.
    machine = [
        "--icount",
        "--cpu=max",
        "--scratch=64",
        f"--timeout={_TIMEOUT}",
        f"--out={WORK / 'out'}",
    ]
    done = subprocess.run([ROOT / "tests/vm/run", *machine, "--", *guest], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"bench: the guest's part failed ({done.returncode})")


def main() -> None:
    """Do everything."""
    selection = Selection.parse()
    WORK.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(WORK / "out", ignore_errors=True)
    compile_programs()
    if problem := fetch_apparmor(WORK / "apparmor"):
        print(f"bench: AppArmor is left out: {problem}", file=sys.stderr)
    compile_images(selection)
    measure(selection)
    found = json.loads((WORK / "out" / "records.json").read_text())
    maps = json.loads((WORK / "out" / "maps.json").read_text())
    (ROOT / "build" / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    records = [Record(**one) for one in found]
    console = Console(width=max(100, Console().width))
    for each in (*tables(records), maps_table(maps), bars(records)):
        console.print(each)
    if selection.is_whole:
        from plot import draw

        (ROOT / "build" / "bench.svg").write_bytes(draw(records))


if __name__ == "__main__":
    main()
