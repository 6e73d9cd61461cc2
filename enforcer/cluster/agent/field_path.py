# SPDX-License-Identifier: MIT
"""
Where in an object something is, from the line of its file.

Lines are of the file that the agent wrote. Whoever wrote the object knows its fields, and not that file.
"""

from __future__ import annotations

import json
from typing import Final

__all__ = ["field_at"]

_INDENT: Final = 2


def field_at(text: str, line: int) -> str:
    """
    Return the path of the field on *line* of *text*, such as ``spec.rules[0].action``.

    Args:
        text: as :func:`enforcer.cluster.agent.policy_text.policy_text` makes it: a field or an item on each line.
        line: from 1.

    Returns:
        The path; empty for the object itself, or if *text* is something else.
    """
    path: list[str | int] = []
    is_list = {0: False}
    for row in text.split("\n")[:line]:
        body = row.lstrip(" ")
        depth = (len(row) - len(body)) // _INDENT
        if not body or body[0] in "]}" or not depth:
            del path[depth:]
        else:
            before = path[depth - 1] if len(path) >= depth else -1
            del path[depth - 1 :]
            path.append(_next(before) if is_list.get(depth) else _key(body))
        is_list[depth + 1] = body.endswith("[")
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)[1:]


def _next(before: str | int) -> int:
    return before + 1 if isinstance(before, int) else 0


def _key(body: str) -> str:
    try:
        found, _ = json.JSONDecoder().raw_decode(body)
    except ValueError:
        return "?"
    return str(found)
