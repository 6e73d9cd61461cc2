# SPDX-License-Identifier: MIT
"""
The pages of the documentation as what a reader types and sees: blocks, and commands in them.

A fenced block with the language ``console`` is what a terminal shows. A line that begins with ``# ``
or ``$ `` is typed, by root or by anybody; what follows is printed, up to the next such line. Comments of
HTML in front of a block, which no reader sees, say what cannot be seen. Nothing is run that does not say where.

- ``<!-- not run: REASON -->``: nothing of the block is run. If the reason is `IN_CLUSTER`, `IN_CONTAINERS` or `IN_SERVICE`, it is
  run there.
- ``<!-- run: PLACE -->``: where the block is run, one of `PLACES`. If it is a machine, this holds for those behind it, too.
- ``<!-- first: SHELL -->``, ``<!-- last: SHELL -->``: commands for a shell that come before the block, or
  after it.
- ``<!-- meanwhile: SHELL -->``: commands that another shell gets while the block's last command runs that
  waits: one that ``^C`` ends, else the last.
- ``<!-- meanwhile -->``: the block itself is typed in another shell, while such a command of the block
  before runs.
- ``<!-- file: NAME -->``: the block, of whatever language, is that file.
- ``<!-- stays -->``: the last command goes on while the blocks behind it are run.
- ``<!-- goes on -->``: the block is what the command that stays prints next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
from markdown_it import MarkdownIt

__all__ = [
    "HOST",
    "INTERRUPT",
    "IN_CLUSTER",
    "IN_CONTAINERS",
    "IN_SERVICE",
    "PAGES",
    "PLACES",
    "ROOT",
    "Block",
    "Command",
    "blocks",
    "commands",
]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "policies/README.md",
)
HOST = "host"
PLACES = {
    HOST: "this machine, in an empty folder with a copy of policies/",
    "machine": "the virtual machine",
    "systemd": "the virtual machine, with systemd as process 1",
    "no bpf": "the virtual machine, without bpf among the LSMs",
}
INTERRUPT = "^C"
IN_CLUSTER = "`make test-cluster` runs it, in a cluster"
IN_CONTAINERS = "`make test-containers` runs it, with podman"
IN_SERVICE = "tests/vm/test_service.py types it"

_PROMPTS = ("# ", "$ ")
_LANGUAGES = ("console", "sh", "bash")
_MARKS = ("not run", "run", "first", "last", "meanwhile", "file", "stays", "goes on")
_MARK = re.compile(rf"<!--\s*({'|'.join(_MARKS)})(?::\s*(.*?))?\s*-->", re.DOTALL)


@attrs.frozen
class Command:
    """What is typed, the line of the page where that ends (from 0), and what is printed after it."""

    text: str
    line: int
    printed: tuple[str, ...] = ()

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ends it."""
        return INTERRUPT in self.printed

    @property
    def shows(self) -> str | None:
        """The file that it shows, if it does nothing else."""
        found = re.fullmatch(r"cat ([\w./-]+)", self.text)
        return found[1] if found else None


@attrs.frozen
class Block:
    """A fenced block of a page: its language, where its lines begin, the lines, and its marks."""

    page: Path
    language: str
    line: int
    lines: tuple[str, ...]
    marks: dict[str, str]
    place: str

    @property
    def is_typed(self) -> bool:
        """Whether it has commands."""
        return self.language in _LANGUAGES

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, text: str | None = None) -> list[Block]:
    """
    Return the blocks of *page*, in their order.

    Raises:
        ValueError: for a mark that is in front of no block or names a place that is none, and for commands
            that say neither where they are run nor why not.
    """
    marks: dict[str, str] = {}
    place, found = "", []
    for token in MarkdownIt().parse(page.read_text("utf-8") if text is None else text):
        if token.type == "html_block" and (said := _marks(token.content)):
            marks |= said
        elif token.type == "fence" and token.map:
            place = marks.get("run", "" if place == HOST else place)
            lines = tuple(token.content.splitlines())
            found.append(Block(page, token.info.strip(), token.map[0] + 1, lines, marks, place))
            _check(found[-1])
            marks = {}
        elif marks:
            break
    if marks:
        raise ValueError(f"{page}: no block follows {marks}")
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of a block that is typed."""
    if block.language != "console":
        return [Command(line, block.line + n) for n, line in enumerate(block.lines) if line]
    return list(_commands(block.lines, block.line))


def _check(block: Block) -> None:
    if block.place and block.place not in PLACES:
        raise ValueError(f"{block}: no place to run at: {block.place}")
    if block.is_typed and not block.place and "not run" not in block.marks:
        raise ValueError(f"{block}: says neither where it is run nor why not")


def _marks(comment: str) -> dict[str, str]:
    return {name: (said or "").strip() for name, said in _MARK.findall(comment)}


def _commands(lines: Sequence[str], begin: int) -> Iterator[Command]:
    starts = [n for n, line in enumerate(lines) if line.startswith(_PROMPTS)]
    if lines and 0 not in starts:
        raise ValueError(f"line {begin + 1}: printed before anything is typed")
    for at, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = next(n for n in range(at, end) if n + 1 == end or not lines[n].endswith("\\"))
        printed = "\n".join(lines[last + 1 : end]).rstrip().splitlines()
        typed = [lines[at][len(_PROMPTS[0]) :], *lines[at + 1 : last + 1]]
        yield Command("\n".join(typed), begin + last, tuple(printed))
