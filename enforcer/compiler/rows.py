# SPDX-License-Identifier: MIT
"""Rows: what the image holds of a rule, and where each row comes from."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import attrs

from enforcer._abi import OnError, RowFlag
from enforcer.policy.language.vocabulary import EVENTS, Op

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enforcer.compiler.atoms import Term
    from enforcer.policy.model.points import Point
    from enforcer.policy.model.policy import Mode, Verb
    from enforcer.span import Span

__all__ = ["Row", "RowFlag", "RowInfo", "RowKind", "each_of", "in_doubt", "is_on_files"]

_T = TypeVar("_T")
_ON_FILES: Final = sum(
    1 << op
    for op in (
        *EVENTS["file"].everything,
        *(Op.EXEC, Op.EXEC_LAYER, Op.LOADED_LAYER),
        *(Op.FD_READ, Op.FD_WRITE, Op.OVERWRITE, Op.GUARD, Op.NAME_GUARD),
    )
)


class RowKind(enum.Enum):
    """What a row was made from."""

    RULE = "rule"
    DEFAULT = "default"
    GUARD = "guard"
    ATTEMPT = "attempt"


@attrs.frozen
class RowInfo:
    """
    Where a row comes from and what to say when it decides.

    Attributes:
        rule_index: counts the rules of the policy from 0; -1 for defaults.
        mark: what a match of its rule sets.
        only_marks: it does nothing else, whatever *verb* says.
        asked: the marks that it asks about, as POLICY/NAME, in the order of its terms.
    """

    policy: str
    rule: str
    span: Span
    verb: Verb
    message: str | None
    kind: RowKind
    event: str
    mode: Mode
    syscall: str | None = None
    severity: str = "medium"
    tags: tuple[str, ...] = ()
    rule_index: int = -1
    point: Point | None = None
    mark: str | None = None
    only_marks: bool = False
    asked: tuple[str, ...] = ()


class Row(NamedTuple):
    """One row as the image has it; *action* 0: it only marks. There are tens of thousands of them."""

    ops: int
    terms: tuple[Term, ...]
    flags_set: int
    flags_clear: int
    policy: int
    subject: int
    action: int
    on_error: OnError
    error: int
    signal: int
    flags: RowFlag
    info: RowInfo
    mark: int = 0
    limit: int = 0


def each_of(
    plain: Row, subjects: Sequence[int], conjunctions: Sequence[tuple[Term, ...]]
) -> Iterator[Row]:
    """Yield *plain* for each of *subjects* and *conjunctions*: it matches if one of them does."""
    for subject, on_error in in_doubt(subjects, plain.on_error):
        for terms in conjunctions:
            yield plain._replace(subject=subject, on_error=on_error, terms=terms)


def in_doubt(alternatives: Sequence[_T], on_error: OnError) -> Iterator[tuple[_T, OnError]]:
    """
    Yield *alternatives*, each with what is done where it is unknown.

    What one certainly is counts more than what another may be. So all but the last come twice: first
    where only certainty counts, then in doubt, too.
    """
    others, last = alternatives[:-1], alternatives[-1:]
    yield from ((each, OnError.SKIP) for each in others)
    yield from ((each, on_error) for each in last)
    if on_error is not OnError.SKIP:
        yield from ((each, on_error) for each in others)


def is_on_files(ops: int) -> bool:
    """Tell whether of *ops*, a mask, the kernel side may leave some early where no row is about the path of a file."""
    return bool(ops & _ON_FILES)
