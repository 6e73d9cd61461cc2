# SPDX-License-Identifier: MIT
"""
Paths and other texts that arguments are compared with.
"""

from __future__ import annotations

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import Filter
from enforcer.policy.language.vocabulary import FIELDS, FieldSpec
from enforcer.policy.model.policy import Condition, Flag, Text, TextKind
from enforcer.policy.readers.texts import literal_text
from enforcer.policy.readers.values import text_form
from enforcer.policy.text.nodes import Node, Scalar, describe

__all__ = ["TEXT_OPERATORS", "file_type", "text_condition", "texts"]

TEXT_OPERATORS = {
    "Equal": (TextKind.EXACT, False),
    "NotEqual": (TextKind.EXACT, True),
    "In": (TextKind.EXACT, False),
    "NotIn": (TextKind.EXACT, True),
    "InMap": (TextKind.EXACT, False),
    "NotInMap": (TextKind.EXACT, True),
    "Prefix": (TextKind.PREFIX, False),
    "NotPrefix": (TextKind.PREFIX, True),
    "Postfix": (TextKind.SUFFIX, False),
    "NotPostfix": (TextKind.SUFFIX, True),
    "SubString": (TextKind.CONTAINS, False),
}
"""Operators of texts: how they compare, and whether they negate."""


def text_condition(filter_: Filter, field: FieldSpec) -> Condition:
    """
    Return *filter_* as a condition on *field*.

    Raises:
        PolicyError: the operator is none of texts, or nothing could match a value.
    """
    found = TEXT_OPERATORS.get(filter_.operator)
    if found is None:
        msg = (
            f"argument {filter_.argument.index} is a text: compare it with "
            f"{', '.join(TEXT_OPERATORS)}, not with {filter_.operator}"
        )
        raise PolicyError(msg, filter_.span)
    kind, negate = found
    values = texts(filter_.values, kind, field)
    return Condition(field, values, negate, span=filter_.span)


def texts(nodes: tuple[Node, ...], kind: TextKind, field: FieldSpec) -> tuple[Text, ...]:
    """
    Return *nodes* as values of *field*.

    Raises:
        PolicyError: nothing could match one of them.
    """
    form = text_form(field)
    return tuple(
        literal_text(node.text if isinstance(node, Scalar) else "", kind, form, node.span)
        for node in nodes
    )


def file_type(filter_: Filter) -> Flag:
    """
    Return ``FileType`` as the flag that there is for it.

    Raises:
        PolicyError: there is none.
    """
    words = [node.text if isinstance(node, Scalar) else "" for node in filter_.values]
    if words == ["dir"]:
        return Flag(FIELDS["directory"], filter_.operator == "FileType", filter_.span)
    msg = (
        f"{filter_.operator} is for directories (dir), not {describe(filter_.values[0])}: other "
        "types of files are not compared"
    )
    raise PolicyError(msg, filter_.span)
