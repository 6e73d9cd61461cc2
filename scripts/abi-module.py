#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Print the module enforcer/_abi.py from the declarations of bpf/include/enforcer_abi.h.

usage: scripts/abi-module.py DECLARATIONS HASH

build.py runs it. DECLARATIONS is the header as cffi reads it, HASH the number that every product carries.
The header pads its structures itself; one that does not is refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from cffi import FFI

HEAD = '''# SPDX-License-Identifier: MIT
"""
Numbers, limits and layouts of ``bpf/include/enforcer_abi.h``, by the header's names.

Made by ``scripts/abi-module.py`` at build: change the header, not this file.
"""

from __future__ import annotations

import enum
from typing import Final

ABI_HASH: Final = {hash}
"""The first 8 bytes of the header's SHA-256."""
'''

FIELDS_HEAD = """FIELDS: Final[dict[str, dict[str, tuple[int, str, int]]]] = {"""

FIELDS_DOC = '''"""
By structure and field: offset, format and length.

The format is that of :mod:`struct`, or the name of a structure. The length counts the elements of an array,
of a text its bytes; it is 0 for a single value.
"""'''

ENUMS = {
    "enf_op": ("Op", "Operations as the kernel side numbers them"),
    "enf_dim": ("Dim", "What a term looks at"),
    "enf_on_error": ("OnError", "What an operand that cannot be read means for a rule"),
    "enf_term_kind": ("TermKind", "How a term is decided"),
    "enf_end_how": ("EndHow", "How the operations of a failed call follow from its arguments"),
    "enf_point_kind": ("PointKind", "What a point of the kernel is"),
    "enf_line_how": ("LineHow", "How a process, or the program that it runs, came to be"),
}
"""Enumerations that become a class, with its name and its purpose: each class costs every start."""

FLAGS = {
    "ENF_OF_": ("ObjectFlag", "Facts about the object of an operation"),
    "ENF_RF_": ("RowFlag", "What kind of row decided"),
    "ENF_EF_": ("EventFlag", "What became of a verdict"),
}
"""Prefixes of constants that become a class of flags, likewise."""

FORMATS = {
    "char": "s",
    "unsigned char": "B",
    "unsigned short": "H",
    "int": "i",
    "unsigned int": "I",
    "unsigned long long": "Q",
}


def constants(text: str) -> dict[str, str]:
    """
    Return every constant as it is written.

    Raises:
        SystemExit: one is no plain number.
    """
    found = dict(re.findall(r"^#define (ENF_\w+) (.+)$", text, flags=re.MULTILINE))
    for name, value in found.items():
        if not re.fullmatch(r"0x[0-9a-fA-F]+|0|[1-9][0-9]*", value):
            sys.exit(f"{name} is {value}: write it as a number")
    return found


def members(ffi: FFI, tag: str) -> dict[str, int]:
    """Return the members of ``enum`` *tag* without its end mark."""
    found = ffi.typeof(f"enum {tag}").relements
    return {name: found[name] for name in sorted(found, key=found.__getitem__) if name[0] != "_"}


def shared(names: Collection[str]) -> str:
    """Return what all *names* begin with, in whole words."""
    first, last = min(names), max(names)
    same = next(at for at, letter in enumerate(first) if last[at : at + 1] != letter)
    return first[: first.rindex("_", 0, same) + 1]


def enumeration(head: str, doc: str, names: Collection[str]) -> Iterator[str]:
    """Yield the lines of a class that begins with *head* and has the constants *names* as its members."""
    prefix = shared(names)
    yield from ("", "", f"class {head}:", f'    """{doc}."""', "")
    yield from (f"    {each.removeprefix(prefix)} = {each}" for each in names)


def fields(ffi: FFI, tag: str) -> Iterator[str]:
    """
    Yield the lines of the fields of ``struct`` *tag*.

    Raises:
        SystemExit: it has a hole.
    """
    end = 0
    yield f'    "{tag}": {{'
    for name, field in ffi.typeof(f"struct {tag}").fields:
        if field.offset != end:
            sys.exit(f"struct {tag} has a hole before {name}: name the padding")
        yield f'        "{name}": ({field.offset}, "{form(field.type)}", {length(field.type)}),'
        end += ffi.sizeof(field.type)
    if end != ffi.sizeof(f"struct {tag}"):
        sys.exit(f"struct {tag} has a hole at its end: name the padding")
    yield "    },"


def form(kind: Any) -> str:
    """Return the format of one value of *kind*."""
    item = kind.item if kind.kind == "array" else kind
    return item.cname.removeprefix("struct ") if item.kind == "struct" else FORMATS[item.cname]


def length(kind: Any) -> int:
    """Return how many values an array of *kind* has; 0: it is none."""
    return kind.length if kind.kind == "array" else 0


def lines(text: str, number: str) -> Iterator[str]:
    """Yield the lines of the module for the declarations *text* and the hash *number*."""
    known = constants(text)
    ffi = FFI()
    ffi.cdef(text)
    tags = re.findall(r"^struct (enf_\w+) \{", text, flags=re.MULTILINE)
    yield HEAD.format(hash=number)
    yield from (f"{name}: Final = {value}" for name, value in known.items())
    for tag in re.findall(r"^enum (enf_\w+) \{", text, flags=re.MULTILINE):
        yield from ("", f"# enum {tag}")
        yield from (f"{name}: Final = {value}" for name, value in members(ffi, tag).items())
    for tag, (name, doc) in ENUMS.items():
        yield from enumeration(
            f"{name}(enum.IntEnum)", f"{doc} (``enum {tag}``)", members(ffi, tag)
        )
    for prefix, (name, doc) in FLAGS.items():
        names = [constant for constant in known if constant.startswith(prefix)]
        yield from enumeration(f"{name}(enum.IntFlag)", f"{doc} (``{prefix}*``)", names)
    yield from ("", "", "SIZES: Final = {")
    yield from (f'    "{tag}": {ffi.sizeof(f"struct {tag}")},' for tag in tags)
    yield from ("}", '"""Bytes of each structure."""', "", FIELDS_HEAD)
    for tag in tags:
        yield from fields(ffi, tag)
    yield from ("}", FIELDS_DOC)


def main(declarations: str, number: str) -> None:
    print("\n".join(lines(Path(declarations).read_text(), number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
