# SPDX-License-Identifier: MIT
"""
On which nodes a policy is enforced, by annotations of its object. On the others it only records.

What is written there and not understood is refused, and changes nothing: read as no rollout, it would enforce
at once what was to be tried first; read as audit, it would loosen what is enforced.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.annotations import LONGEST, MODE, NODES, ROLLOUT, SHARE
from enforcer.cluster.agent.errors import printable
from enforcer.cluster.agent.label_selector import Selector, parse_selector

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EVERYWHERE",
    "MODE",
    "NODES",
    "SHARE",
    "Rollout",
    "RolloutError",
    "annotations_of",
    "text_of",
]

EVERYWHERE: Final = "all"
"""How a policy without a rollout is told of."""

_AUDIT: Final = "audit"
_INVALID: Final = "invalid"
_WHOLE: Final = 10_000  # of a share, in hundredths of a percent
_SHARE: Final = re.compile(r"(100|[0-9]{1,2})(?:\.([0-9]{1,2}))?%", re.ASCII)
_SPACE: Final = 1 << 64


class RolloutError(ValueError):
    """
    An annotation that says nothing.

    Attributes:
        annotation: its name.
    """

    def __init__(self, annotation: str, message: str) -> None:
        super().__init__(message)
        self.annotation = annotation

    @property
    def path(self) -> str:
        """The field of the object that is wrong."""
        return f"metadata.annotations[{self.annotation}]"


@attrs.frozen
class Rollout:
    """
    Where a policy is enforced: on the nodes that *nodes* selects, and of these on a share.

    Attributes:
        is_audit: nowhere. The rest is kept in the object for later, and does not count.
        share: of nodes, in hundredths of a percent.
        nodes: None: all.
    """

    is_audit: bool = False
    share: int = _WHOLE
    nodes: Selector | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Rollout:
        """
        Read the annotations of an object.

        Raises:
            RolloutError: one of them is not understood.
        """
        found = annotations_of(item)
        for name, value in found.items():
            if name not in _READERS:
                raise RolloutError(name, "there is no such annotation of a rollout")
            if not isinstance(value, str):
                raise RolloutError(name, "not a text")
            if len(value) > LONGEST:
                raise RolloutError(name, f"an annotation has {LONGEST} characters at most")
        made = cls()
        for name, value in found.items():
            try:
                made = attrs.evolve(made, **_READERS[name](value))
            except ValueError as error:
                raise RolloutError(name, str(error)) from None
        if made.share < _WHOLE and not _uid_of(item):
            raise RolloutError(SHARE, "the object has no uid, by which nodes would be chosen")
        return made

    @property
    def text(self) -> str:
        """The rollout in a few words; equal for equal ones."""
        if self.is_audit:
            return _AUDIT
        share = [f"{self.share / 100:g}%"] if self.share < _WHOLE else []
        nodes = [self.nodes.text] if self.nodes is not None else []
        return " of ".join((*share, *nodes)) or EVERYWHERE

    @property
    def needs_labels(self) -> bool:
        """Whether it hangs on labels of nodes."""
        return self.nodes is not None and not self.is_audit

    def reaches(
        self, item: Mapping[str, Any], node: str, labels: Mapping[str, str] | None
    ) -> bool | None:
        """
        Tell whether the policy is enforced on *node*.

        Args:
            item: the object of the policy.
            node: the name of the node.
            labels: of the node; None: nobody knows.

        Returns:
            None: it hangs on labels that are not known.
        """
        if self.is_audit or _rank(_uid_of(item), node) * _WHOLE >= self.share * _SPACE:
            return False
        if self.nodes is None:
            return True
        return None if labels is None else self.nodes.matches(labels)


def annotations_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return of the annotations of *item* those that are about a rollout, by our names or by ones near them."""
    found = (item.get("metadata") or {}).get("annotations")
    items = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in sorted(items) if name.lower().startswith(ROLLOUT)}


def text_of(item: Mapping[str, Any]) -> str:
    """Return in a few words what is said of the rollout of *item*, also if it is not understood."""
    try:
        return Rollout.of(item).text
    except RolloutError:
        return _INVALID


def _uid_of(item: Mapping[str, Any]) -> str:
    found = item["metadata"].get("uid") if isinstance(item.get("metadata"), dict) else None
    return found if isinstance(found, str) else ""


def _rank(uid: str, node: str) -> int:
    """
    Return the place of *node* among all places of 64 bits.

    It never changes, so a share that grows only adds nodes. The uid is chosen by the server: whoever writes
    a policy cannot choose which nodes come first, and each policy has others.
    """
    digest = hashlib.sha256(f"{uid}\n{node}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _mode(text: str) -> dict[str, Any]:
    if text != _AUDIT:
        raise ValueError(
            f"{printable(text)!r} is no mode of a rollout: write {_AUDIT}, or remove the annotation"
        )
    return {"is_audit": True}


def _share(text: str) -> dict[str, Any]:
    found = _SHARE.fullmatch(text)
    points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else _WHOLE + 1
    if points > _WHOLE:
        raise ValueError(f"{printable(text)!r} is no share: write 0% to 100%, such as 2.5%")
    return {"share": points}


def _nodes(text: str) -> dict[str, Any]:
    return {"nodes": parse_selector(text)}


_READERS: Final = {MODE: _mode, SHARE: _share, NODES: _nodes}
