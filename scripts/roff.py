# SPDX-License-Identifier: MIT
"""Text as roff, for pages of the manual: from words, and from as much of Markdown as `docs/` uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SIGNS = {
    "\\": r"\e",
    "-": r"\-",
    "'": r"\(aq",
    '"': r"\(dq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
}
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\[(?P<link>(?:`[^`]*`|[^\]`])+)\]\([^)]+\)"
    r"|(?<![\w*])\*(?P<italic>[^*\s][^*]*)\*(?![\w*])"
)
_ITEM = re.compile(r"(- |\d+\. )(.*)")
_CELL = re.compile(r"(?<!\\)\|")


def escaped(text: str) -> str:
    """Return *text* as roff prints it: no sign in it means anything."""
    signs = (_SIGNS.get(sign, sign) for sign in text)
    return "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in signs)


def bold(text: str) -> str:
    """Return *text* in bold: what is typed as it stands."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Return *text* in italics: what something else is put in place of."""
    return f"\\fI{escaped(text)}\\fR"


def line(markdown: str) -> str:
    """Return one line of Markdown; it is text also if it begins with a dot. Of links the text is left."""
    found, at = "", 0
    for match in _INLINE.finditer(markdown):
        found += escaped(markdown[at : match.start()]) + _marked(match)
        at = match.end()
    found += escaped(markdown[at:])
    return f"\\&{found}" if found.startswith(".") else found


def _marked(match: re.Match[str]) -> str:
    if match["code"] is not None:
        return bold(match["code"])
    if match["bold"] is not None:
        return f"\\fB{line(match['bold'])}\\fR"
    return italic(match["italic"]) if match["italic"] is not None else line(match["link"])


def paragraph(markdown: str) -> Iterator[str]:
    """Yield a paragraph, a line for each of its lines."""
    yield ".PP"
    yield from (line(each.strip()) for each in markdown.strip().splitlines())


def literal(lines: Sequence[str]) -> Iterator[str]:
    """Yield *lines* as they stand, indented."""
    yield from (".PP", ".RS 4", ".EX")
    for text in lines:
        code = escaped(text)
        yield f"\\&{code}" if code.startswith(".") else code
    yield from (".EE", ".RE")


def term(head: str, body: Sequence[str]) -> Iterator[str]:
    """Yield *head* with *body* indented below it; both are roff."""
    yield from (".TP", head, *body)


# ---- Markdown ---------------------------------------------------------------------------------


def blocks(markdown: str) -> Iterator[str]:
    """Yield the paragraphs, lists, tables, headings and pieces of code of *markdown*."""
    for block in divided(markdown):
        match _kind(block[0]):
            case "code":
                yield from literal(block[1:-1])
            case "heading":
                yield f".SS {line(block[0].lstrip('# '))}"
            case "table":
                yield from table(block)
            case "list":
                yield from _items(block)
            case _:
                yield from paragraph("\n".join(block))


def divided(markdown: str) -> Iterator[list[str]]:
    """Yield the lines of each block of *markdown*."""
    block: list[str] = []
    for text in _COMMENT.sub("", markdown).splitlines():
        is_code = bool(block) and _kind(block[0]) == "code" and "```" not in block[1:]
        if not is_code and block and (not text.strip() or _begins(text, block)):
            yield block
            block = []
        if text.strip() or is_code:
            block.append(text)
    if block:
        yield block


def _kind(first: str) -> str:
    """Return what a block is, by its first line."""
    if first.startswith("```"):
        return "code"
    if first.startswith("#"):
        return "heading"
    if first.startswith("|"):
        return "table"
    return "list" if _ITEM.match(first) else "text"


def _begins(text: str, block: list[str]) -> bool:
    """Tell whether *text* begins a block of its own right below *block*."""
    kind, above = _kind(text), _kind(block[0])
    return bool({kind, above} & {"code", "heading"}) or (
        kind in {"table", "list"} and kind != above
    )


def _items(block: list[str]) -> Iterator[str]:
    for text in block:
        item = _ITEM.match(text)
        if item is None:
            yield line(text.strip())
            continue
        yield ".IP \\(bu 2" if item[1] == "- " else f".IP {item[1].strip()} 4"
        yield line(item[2])


def rows(block: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table, its head first."""
    found = [_CELL.split(text.strip().strip("|")) for text in (block[0], *block[2:])]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in found]


def table(block: list[str]) -> Iterator[str]:
    """
    Yield a table as a list: the first cell of a row, and the others below it.

    The last cell, which has the most text, stands first, and the others after their heads.
    """
    head, *body = rows(block)
    for row in body:
        between = zip(head[1:-1], row[1:-1], strict=True)
        said = [line(row[-1]), *(f".br\n{line(name)}: {line(cell)}" for name, cell in between)]
        yield from term(f"\\fB{line(row[0])}\\fR", said)
