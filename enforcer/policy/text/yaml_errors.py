# SPDX-License-Identifier: MIT
"""
What the YAML parser could not read, in words for the author of a policy, at the place to correct.

A parser says where it gave up, in terms of its grammar. The mistake is often before that: where a quote
or a bracket opens, or on the line without a colon. Both parsers (libyaml's and the one in Python) are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import yaml

from enforcer.errors import TextError
from enforcer.policy.text.characters import describe_character
from enforcer.policy.text.look_alikes import look_alike, plain
from enforcer.policy.text.nodes import shorten
from enforcer.span import Span

__all__ = ["BREAK", "explained"]

BREAK = re.compile("\r\n|\r|\n")
"""Where a line ends, as the parsers count lines."""

_KEY = re.compile(r"(?:- +)*((?:\"[^\"]*\"|'[^']*'|[^\s\"'#:\[{-][^:#]*?)) *:(?=\s|$)")
_KEY_WITHOUT_SPACE = re.compile(r"(?:- +)*[A-Za-z_][\w.-]*:\S")
_DIRECTIVE = "a line that begins with % is a directive of YAML: remove it"
_ITEM = re.compile(r"(?:- +)+")
_AT_LINE_START = "- "
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2022\u2212"
"""Dashes and dots that word processors make of the sign of an item."""

Place = tuple[int, int]
"""Line and column, from 0."""


@attrs.frozen
class _Failure:
    """
    What the parser said of the text in *lines*.

    *context*: where that began which it was reading; *problem*: where it gave up. *quoted*: where the
    last value in quotes began and ended.
    """

    lines: list[str]
    said: str
    context: Place | None
    problem: Place
    quoted: tuple[Place, Place] | None

    @property
    def line(self) -> str:
        """The line where the parser gave up."""
        return self._line(self.problem[0])

    @property
    def char(self) -> str:
        """The character at which it gave up; empty at the end of a line."""
        return self.line[self.problem[1] : self.problem[1] + 1]

    @property
    def before(self) -> str:
        """What is in front of it on its line, without blanks at the ends."""
        return self.line[: self.problem[1]].strip()

    def at(self, place: Place) -> str:
        """Return the rest of the line from *place* on."""
        return self._line(place[0])[place[1] :]

    def line_above(self, number: int) -> Place | None:
        """Return where the text of the last line above line *number* begins, comments left out."""
        for above in range(number - 1, -1, -1):
            text = self._line(above)
            stripped = text.lstrip()
            if stripped and not stripped.startswith("#"):
                return above, len(text) - len(stripped)
        return None

    def _line(self, number: int) -> str:
        return self.lines[number] if number < len(self.lines) else ""


_Said = tuple[str, Place]


def explained(
    error: yaml.MarkedYAMLError, text: str, file: str, quoted: yaml.ScalarEvent | None
) -> TextError:
    """Return *error* in our words; *quoted* is the last value in quotes that was read before it."""
    mark = error.problem_mark or error.context_mark
    problem = (mark.line, mark.column) if mark else (0, 0)
    begun = error.context_mark
    failure = _Failure(
        lines=BREAK.split(text),
        said=" ".join(filter(None, (error.context, error.problem))),
        context=(begun.line, begun.column) if begun else None,
        problem=problem,
        quoted=_ends(quoted),
    )
    said = next((said for read in _READINGS if (said := read(failure))), None)
    message, (line, column) = said or (_unknown(error), problem)
    return TextError(f"not valid YAML: {message}", Span(file, line + 1, column + 1))


def _ends(event: yaml.ScalarEvent | None) -> tuple[Place, Place] | None:
    if event is None or event.start_mark is None or event.end_mark is None:
        return None
    start, end = event.start_mark, event.end_mark
    return (start.line, start.column), (end.line, end.column)


def _unknown(error: yaml.MarkedYAMLError) -> str:
    return shorten(", ".join(filter(None, (error.context, error.problem))), 120)


# ---- Characters -------------------------------------------------------------------------------


def _tab(failure: _Failure) -> _Said | None:
    if failure.char != "\t" and "tab character" not in failure.said:
        return None
    return "a tab stands here: indent with spaces", failure.problem


def _quote(failure: _Failure) -> _Said | None:
    if "quoted scalar found unexpected" not in failure.said or failure.context is None:
        return None
    quote = failure.at(failure.context)[:1]
    return f"the quote {quote} that opens here is not closed", failure.context


def _dash(failure: _Failure) -> _Said | None:
    """Read a line that begins an item with another dash; the line below is where the parser gives up."""
    above = failure.line_above(failure.problem[0])
    here = failure.problem[0], len(failure.line) - len(failure.line.lstrip())
    for place in filter(None, (here, above)):
        sign = failure.at(place)[:2]
        if len(sign) == 2 and sign[0] in _DASHES and sign[1] == " ":
            message = f"the character {describe_character(sign[0])} begins no item: write -"
            return message, place
    return None


def _escape(failure: _Failure) -> _Said | None:
    if "quoted scalar" not in failure.said or not re.search("escape|hexdecimal", failure.said):
        return None
    line, column = failure.problem
    at = failure.line.rfind("\\", 0, column + 1)
    escape = failure.line[at : at + 2]
    message = (
        f"in double quotes {escape} begins an escape, and this one does not exist: write \\\\ for a "
        "backslash, or use single quotes"
    )
    return message, (line, max(at, 0))


def _first_character(failure: _Failure) -> _Said | None:
    place = failure.problem
    if "alphabetic" in failure.said and "an a" in failure.said and failure.context:
        place = failure.context  # where * or & stands
    elif "cannot start any token" not in failure.said:
        return None
    line, column = place
    front = failure.lines[line][:column].rstrip()
    if front.endswith(("]", "}", '"', "'")):
        return _behind(front[-1]), place
    ends = r"[\s,\]}]" if re.search(r"[\[{]", front) else r"\s+#|$"
    value = re.split(ends, failure.at(place), maxsplit=1)[0].rstrip()
    return (
        f"a value that begins with {value[:1]} needs quotes: write '{shorten(value)}'",
        place,
    )


def _behind(end: str) -> str:
    what = "the closing quote" if end in "\"'" else end
    return f"something stands behind {what}: put the whole value in quotes, or remove it"


def _tag(failure: _Failure) -> _Said | None:
    if not failure.said.startswith(("while scanning a tag", "while parsing a tag")):
        return None
    return "a value that begins with ! is a tag of YAML: put it in quotes", (
        failure.context or failure.problem
    )


# ---- Keys -------------------------------------------------------------------------------------


def _missing_colon(failure: _Failure) -> _Said | None:
    if "could not find expected ':'" not in failure.said or failure.context is None:
        return None
    return _without_colon(failure, failure.context)


def _without_colon(failure: _Failure, place: Place) -> _Said:
    text = failure.at(place).split(" #")[0].strip()
    if _KEY_WITHOUT_SPACE.match(text):
        key, _, value = text.partition(":")
        return f"a space is missing behind the colon: write {key}: {shorten(value)}", place
    if text.startswith(_CONFLICT):
        return "git left a conflict here: resolve it, and remove its marks", place
    word = _ITEM.sub("", text).split(" ")[0]
    hint = f"; {look_alike(word)}" if plain(word).endswith(":") else ""
    return f"a colon is missing behind {shorten(word)!r}, where a key must stand{hint}", place


def _second_colon(failure: _Failure) -> _Said | None:
    """Read what the parser calls a mapping value in the wrong place: a colon."""
    if "mapping values are not allowed" not in failure.said:
        return None
    if re.search(r":\s", failure.before):
        message = "a second colon stands on this line: put a value with a colon in quotes"
        return message, failure.problem
    if failure.before.startswith("---"):
        return "a document begins on the line below ---", failure.problem
    above = failure.line_above(failure.problem[0])
    text = failure.at(above) if above else ""
    if above is None or text.startswith(("'", '"')):
        return "a key must be on one line, with 1024 characters at most", failure.problem
    if not _KEY.match(text):
        return _without_colon(failure, above)
    here = len(failure.line) - len(failure.line.lstrip())
    word = _ITEM.sub("", failure.before)
    message = (
        f"{shorten(word)!r} is indented deeper than line {above[0] + 1}, which has a value already: "
        "give both lines the same indentation"
    )
    return message, (failure.problem[0], here)


def _indentation(failure: _Failure) -> _Said | None:
    """Read what the parser missed on a line: a key, or an item of a list."""
    if not re.search("parsing a block (mapping|collection)", failure.said):
        return None
    if failure.char in ("]", "}"):
        return f"{failure.char} closes nothing here", failure.problem
    if failure.char == ":" and not failure.before.strip(_AT_LINE_START):
        return "a key is missing in front of the colon", failure.problem
    if failure.before.strip(_AT_LINE_START):
        return _behind_value(failure)
    column = failure.context[1] if failure.context else 0
    if failure.problem[1] != column:
        message = (
            "this line is indented like none above that it could belong to: give it the same "
            "indentation as those"
        )
        return message, failure.problem
    if failure.char == "-":
        return (
            "an item of a list stands where a key must: indent it, below its key",
            failure.problem,
        )
    return "a key stands where an item of the list must: begin it with '- ', or indent it", (
        failure.problem
    )


def _behind_value(failure: _Failure) -> _Said:
    if failure.quoted is not None and failure.quoted[1][0] == failure.problem[0]:
        start, end = failure.quoted
        if start[0] < end[0]:
            quote = failure.at(start)[:1]
            message = f"the quote {quote} that opens here is closed only in line {end[0] + 1}"
            return message, start
        quote = failure.at(start)[:1]
        within = "two of them" if quote == "'" else '\\"'
        return (
            f"the value ends with the quote {quote} in front of this: write {within} for one within it",
            failure.problem,
        )
    return _behind(failure.before[-1:]), failure.problem


def _item_behind_key(failure: _Failure) -> _Said | None:
    if "sequence entries are not allowed" not in failure.said:
        return None
    return "an item of a list (-) must begin on a line of its own, below its key", failure.problem


# ---- Lists and mappings in brackets -----------------------------------------------------------


def _bracket(failure: _Failure) -> _Said | None:
    if "parsing a flow" not in failure.said or failure.context is None:
        return None
    if "node content" in failure.said:
        if failure.char == ",":
            return "a value is missing in front of this comma", failure.problem
        return "a bracket that opens above is not closed in front of this", failure.problem
    opened = failure.at(failure.context)[:1]
    if failure.problem[0] != failure.context[0] or not failure.char:
        return f"the {opened} that opens here is not closed", failure.context
    closed = "]" if opened == "[" else "}"
    message = (
        f"a comma or {closed} is missing in front of this, in what {opened} opens in column "
        f"{failure.context[1] + 1}"
    )
    return message, failure.problem


# ---- Blocks and documents ---------------------------------------------------------------------


def _block(failure: _Failure) -> _Said | None:
    if "scanning a block scalar" not in failure.said or failure.context is None:
        return None
    sign = failure.at(failure.context)[:1]
    return f"only a comment may stand behind {sign} on its line", failure.problem


def _document(failure: _Failure) -> _Said | None:
    if "directive" in failure.said or "incompatible YAML" in failure.said:
        return _DIRECTIVE, failure.problem
    if "<document start>" not in failure.said:
        return None
    above = failure.line_above(failure.problem[0])
    if above is not None and not failure.before and not _KEY.match(failure.at(above)):
        if failure.at(above).startswith("%"):
            return _DIRECTIVE, above
        return _without_colon(failure, above)
    return "a document must begin with --- here", failure.problem


_READINGS: tuple[Callable[[_Failure], _Said | None], ...] = (
    _tab,
    _dash,
    _quote,
    _escape,
    _first_character,
    _tag,
    _missing_colon,
    _second_colon,
    _indentation,
    _item_behind_key,
    _bracket,
    _block,
    _document,
)
