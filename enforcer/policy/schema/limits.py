# SPDX-License-Identifier: MIT
"""How much policies may be, and how much of an operation is known: the table of the language reference."""

from __future__ import annotations

from typing import Final

import attrs

from enforcer import _abi
from enforcer.policy.readers.rules import MAX_TAGS
from enforcer.policy.text.bounds import MAX_BYTES, MAX_GLOB_WORK

__all__ = ["LIMITS", "Limit"]

_REFUSED: Final = "refused"
_UNKNOWN: Final = "unknown: `onError` decides"


@attrs.frozen
class Limit:
    """
    One limit.

    Attributes:
        of: what is counted.
        most: how many there may be.
        beyond: what becomes of more.
        name: of the constant of the ABI; empty: it is none.
    """

    of: str
    most: int
    beyond: str = _REFUSED
    name: str = ""


def _of(name: str, of: str, beyond: str = _REFUSED) -> Limit:
    return Limit(of, getattr(_abi, name), beyond, name)


LIMITS: Final = (
    Limit("bytes of a policy file", MAX_BYTES),
    _of("ENF_MAX_POLICIES", "policies"),
    _of("ENF_MAX_ROWS", "rules of all policies, with their guards, and defaults"),
    _of("ENF_MAX_TERMS", "conditions of a rule"),
    _of("ENF_MAX_ATOMS", "distinct conditions"),
    _of("ENF_MAX_TOUCHED", "distinct conditions that one value meets"),
    _of("ENF_MAX_LABELS", "distinct conditions on processes"),
    _of("ENF_MAX_SUBJECTS", "distinct `selector`, `process`, `parent` and so on, together"),
    _of("ENF_MAX_DFAS", "automata that all globs are made into"),
    Limit("steps to make these automata", MAX_GLOB_WORK),
    _of("ENF_MAX_ARG_INDEX", "arguments by their index"),
    _of("ENF_MAX_MARKS", "distinct marks"),
    _of("ENF_ROW_MARKS", "marks that a rule asks about"),
    _of("ENF_MAX_LIMITS", "different `rateLimit`"),
    _of("ENF_MAX_POINTS", "points of the kernel"),
    Limit("tags of a rule", MAX_TAGS),
    _of("ENF_IMAGE_MAX", "bytes of the compiled policies"),
    _of("ENF_PATH_MAX", "bytes of a path", f"{_UNKNOWN}, where the beginning does not"),
    _of("ENF_EXE_MAX", "bytes of the path of a process's executable", _UNKNOWN),
    _of("ENF_NAME_MAX", "bytes of another name", _UNKNOWN),
    _of("ENF_FSTYPE_MAX", "bytes of the type of a file system", _UNKNOWN),
    _of("ENF_MAX_ARGS", "arguments of a program", _UNKNOWN),
    _of("ENF_ARGV_MAX", "bytes of them", _UNKNOWN),
    _of("ENF_MAX_TOUCHED", "distinct conditions that one operation meets", _UNKNOWN),
)
