# SPDX-License-Identifier: MIT
"""YAML as a validator of JSON Schema takes it, read by our own loader."""

from __future__ import annotations

from typing import Any

from enforcer.policy.text.loader import read
from enforcer.policy.text.nodes import List, Map, Node

__all__ = ["documents"]


def documents(text: str | bytes) -> list[Any]:
    """Return all documents of *text* as mappings, lists and scalars."""
    return [_plain(document) for document in read(text, "p.yaml").documents]


def _plain(node: Node) -> Any:
    if isinstance(node, Map):
        return {entry.key: _plain(entry.value) for entry in node}
    if isinstance(node, List):
        return [_plain(item) for item in node]
    return node.value
