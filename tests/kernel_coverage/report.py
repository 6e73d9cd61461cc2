# SPDX-License-Identifier: MIT
"""
Which lines of the BPF programs have run in guests, from what ``blocks.c`` and ``programs.py`` left.

    tests/kernel_coverage/report.py DIRECTORY

For each guest, DIRECTORY has ``NAME.blocks``, the list of QEMU's translations, and ``NAME/coverage``. A place is what
the compiler notes with an instruction: file, line and column. It has run if the first instruction that has this note
has run, in any program, in any guest.
"""

from __future__ import annotations

import base64
import bisect
import json
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from rich.console import Console
from rich.table import Table

__all__ = ["Place", "read", "taken_of"]

_BLOCK: Final = struct.Struct("=QQQ")
_COLUMN_BITS: Final = 10


@attrs.frozen(order=True)
class Place:
    """Where in the source an instruction comes from."""

    file: str
    line: int
    column: int


@attrs.frozen
class Program:
    """One program as the kernel had it: the places of its addresses, in order."""

    name: str
    loaded: int
    """Nanoseconds of the host's clock."""
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    places: tuple[Place, ...]

    def blocks(self) -> Iterator[tuple[int, int, Place]]:
        """Yield from, to and place of each stretch of code."""
        yield from zip(self.starts, self.ends, self.places, strict=True)


def _strings(types: bytes) -> bytes:
    """Return the strings of BTF (Documentation/bpf/btf.rst)."""
    (length,) = struct.unpack_from("=I", types, 4)
    at, size = struct.unpack_from("=II", types, 16)
    return types[length + at : length + at + size]


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def _functions(found: dict[str, Any]) -> Iterator[tuple[int, int]]:
    at = base64.b64decode(found["functions"])
    lengths = base64.b64decode(found["lengths"])
    for (start,), (length,) in zip(
        struct.iter_unpack("=Q", at), struct.iter_unpack("=I", lengths), strict=True
    ):
        yield start, start + length


def _program(found: dict[str, Any], strings: bytes, offset: int) -> Program:
    ends_of = sorted(_functions(found))
    size = found["line_size"]
    lines = base64.b64decode(found["lines"])
    addresses = [at for (at,) in struct.iter_unpack("=Q", base64.b64decode(found["addresses"]))]
    stretches = []
    for i, address in enumerate(addresses):
        _, file, _, where = struct.unpack_from("=IIII", lines, i * size)
        place = Place(_text(strings, file), where >> _COLUMN_BITS, where & (1 << _COLUMN_BITS) - 1)
        stretches.append((address, place))
    stretches.sort(key=lambda each: each[0])
    starts = tuple(address for address, _ in stretches)
    ends = []
    for i, start in enumerate(starts):
        function = ends_of[bisect.bisect_right(ends_of, (start, 1 << 64)) - 1]
        following = starts[i + 1] if i + 1 < len(starts) else function[1]
        ends.append(min(following, function[1]))
    places = tuple(place for _, place in stretches)
    return Program(found["name"], found["loaded"] + offset, starts, tuple(ends), places)


def read(folder: Path) -> list[Program]:
    """Return the programs of one guest, by the time of their loading."""
    kept = folder / "coverage"
    offset = (kept / "clock").stat().st_mtime_ns - int((kept / "clock").read_text())
    strings = {
        path.name.removeprefix("types-"): _strings(path.read_bytes())
        for path in kept.glob("types-*")
    }
    found = (json.loads(line) for line in (kept / "programs").read_text().splitlines())
    programs = [
        _program(each, strings[str(each["btf"])], offset)
        for each in found
        if str(each["btf"]) in strings
    ]
    return sorted(programs, key=lambda program: program.loaded)


def taken_of(programs: Sequence[Program], blocks: bytes) -> dict[Place, bool]:
    """
    Return each place of *programs*, and whether a block of it was translated after it was loaded.

    An address may be of one program after the other: a block is of the one that was loaded last before it.
    """
    taken: dict[Place, bool] = {}
    owners: dict[int, list[tuple[int, Place]]] = defaultdict(list)
    for program in programs:
        for start, _, place in program.blocks():
            owners[start].append((program.loaded, place))
            taken.setdefault(place, False)
    starts = sorted(owners)
    for start, end, when in _BLOCK.iter_unpack(blocks):
        for at in starts[bisect.bisect_left(starts, start) : bisect.bisect_left(starts, end)]:
            before = [place for loaded, place in owners[at] if loaded <= when]
            if before:
                taken[before[-1]] = True
    return taken


def _show(taken: Mapping[Place, bool]) -> None:
    table = Table("file", "places", "run", "%", title="places of the BPF sources that have run")
    by_file: dict[str, list[bool]] = defaultdict(list)
    for place, has_run in taken.items():
        by_file[place.file].append(has_run)
    for file, found in (*sorted(by_file.items()), ("all", list(taken.values()))):
        share = 100 * sum(found) / max(1, len(found))
        table.add_row(file, f"{len(found):,}", f"{sum(found):,}", f"{share:.0f}")
    Console().print(table)


def _untaken(taken: Mapping[Place, bool]) -> Iterator[str]:
    """Yield the lines of the source with a place that has not run, with its text."""
    missing: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place in sorted(place for place, has_run in taken.items() if not has_run):
        missing[place.file][place.line].append(place.column)
    for file, lines in missing.items():
        source = Path(file).read_text().splitlines()
        for line, columns in lines.items():
            yield f"{file.removeprefix('./')}:{line}:{','.join(map(str, columns))}: {source[line - 1].strip()}\n"


def main(arguments: Sequence[str]) -> int:
    """Print a table by file, and leave the lines that have not run in ``DIRECTORY/untaken``."""
    (directory,) = map(Path, arguments)
    taken: dict[Place, bool] = {}
    for blocks in sorted(directory.glob("*.blocks")):
        programs = read(directory / blocks.stem)
        for place, has_run in taken_of(programs, blocks.read_bytes()).items():
            taken[place] = taken.get(place, False) or has_run
    if not taken:
        print(f"{directory} has the blocks of no guest", file=sys.stderr)
        return 2
    _show(taken)
    (directory / "untaken").write_text("".join(_untaken(taken)))
    print(f"what has not run: {directory}/untaken")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
