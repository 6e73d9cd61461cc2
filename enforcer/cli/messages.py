# SPDX-License-Identifier: MIT
"""
Messages about texts, on standard error: one line each, ``file:line:column: …``.

On a terminal, and where colours are forced, the line that a message is about follows.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from enforcer.cli.exits import discard
from enforcer.colours import are_forced
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.cli.excerpts import Excerpts
    from enforcer.errors import PolicyError
    from enforcer.span import Span

    Message = tuple[str, Span | None, str]

__all__ = ["tell", "tell_errors", "tell_warnings"]


def tell(messages: Iterable[Message]) -> None:
    """Print *messages*: each line, the place to show if there is one, and the severity."""
    excerpts = _excerpts()
    for message, span, severity in messages:
        line = neutral(
            message
        )  # it quotes keys and values, whose author may want to write to this terminal
        text = f"{line}\n" if excerpts is None else excerpts.write(line, span, severity)
        try:
            print(text, end="", file=sys.stderr)
        except OSError:
            discard(2)


def tell_errors(errors: Iterable[PolicyError]) -> None:
    """Print *errors*."""
    tell((str(each), each.span if each.is_of_text else None, "error") for each in errors)


def tell_warnings(lines: Iterable[str], *, of_daemon: bool = False) -> None:
    """Print *lines*, which begin with a place; what the *daemon* says of relative files is not looked up here."""

    def message(line: str) -> Message:
        from enforcer.span import Span  # not before there is a line: it is slow to import

        span = Span.before(line)
        is_here = span is not None and (not of_daemon or span.file.startswith("/"))
        return f"enforcer: {line}", span if is_here else None, "warning"

    tell(map(message, lines))


def _excerpts() -> Excerpts | None:
    if not (are_forced(os.environ) or sys.stderr.isatty()):
        return None
    from enforcer.cli.excerpts import Excerpts

    return Excerpts()
