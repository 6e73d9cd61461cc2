# SPDX-License-Identifier: MIT
"""
What the API server says of this node: its labels, and by what its object is known.

The labels are kept beside the folder of policies. So a node that boots without a server decides by those that
it had, and who keeps the server away changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.resource import Deleted, Found, Listed, metadata_of
from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enforcer.cluster.agent.resource import News

__all__ = ["NodeObject"]

_FORMAT: Final = 1


@attrs.define(eq=False, repr=False)
class NodeObject:
    """
    The object of the node *name*. One thread tells it the news; another may ask for :attr:`uid`.

    Attributes:
        labels: the last that were known, of this run or of one before; None: none ever.
        uid: of the object that is there now; empty: there is none, or nobody knows. It is kept in memory
            only, since an object that belongs to a node that is gone would be removed by the server.
        was_deleted: the server had it in this run, and has it no more.
    """

    path: Path
    name: str
    labels: Mapping[str, str] | None = attrs.field(default=None, init=False)
    uid: str = attrs.field(default="", init=False)
    was_deleted: bool = attrs.field(default=False, init=False)
    _is_dirty: bool = attrs.field(default=False, init=False)

    def read(self) -> None:
        """Read which labels were known; none if that cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
            # Another node's, as on a disk that was copied, say nothing of this one.
            if (found["format"], found["node"]) == (_FORMAT, self.name):
                self.labels = _texts(dict(found["labels"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.labels = None  # policies that ask for labels stay as they are on this node

    def take(self, news: News) -> bool:
        """Remember what *news* says of the node, for :meth:`write`; tells whether its labels are others now."""
        key = ("", self.name)
        match news:
            case Listed() if key in news.objects:
                return self._found(news.objects[key])
            case Found() if news.key == key:
                return self._found(news.object)
            case Listed() | Deleted(key=("", self.name)):
                # Whoever can remove the node must not by that change what is enforced: the labels stay.
                self.was_deleted |= bool(self.uid)
                self.uid = ""
        return False

    def _found(self, item: dict[str, Any]) -> bool:
        meta = metadata_of(item)
        labels, uid = _texts(meta.get("labels")), meta.get("uid")
        self.uid = uid if isinstance(uid, str) else ""
        self.was_deleted = False
        is_same = labels == self.labels
        self.labels = labels
        self._is_dirty |= not is_same
        return not is_same

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return self._is_dirty

    def write(self) -> None:
        """
        Keep the labels, if they have changed.

        Raises:
            OSError: they cannot be written, and are tried again.
        """
        if not self._is_dirty:
            return
        document = {"format": _FORMAT, "node": self.name, "labels": self.labels}
        replace(self.path, json.dumps(document, indent=1).encode(), 0o644, is_lasting=True)
        self._is_dirty = False


def _texts(found: Any) -> dict[str, str]:
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
