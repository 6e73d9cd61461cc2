# SPDX-License-Identifier: MIT
"""
Policies of an API server as the files that nodes have of them, and back from a line of such a file to the field.

Nodes read files that their agents wrote. Whoever wrote a policy knows its fields, and not these files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from enforcer.cluster.agent.field_path import field_at
from enforcer.cluster.agent.policy_text import file_name, policy_text
from enforcer.policy.model.policy import PolicySet
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from enforcer.plugin.cluster import PolicyObject

__all__ = ["PolicyFiles"]


@attrs.frozen
class PolicyFiles:
    """
    The files of some policies in one folder, which need not be there.

    Attributes:
        texts: by the path of the file.
        objects: which policy each is of.
    """

    folder: Path
    texts: dict[str, bytes]
    objects: dict[str, PolicyObject]
    _places: re.Pattern[str]

    @classmethod
    def of(cls, policies: Iterable[PolicyObject], folder: Path) -> PolicyFiles:
        """Make the texts as the agent of a node does."""
        objects = {str(folder / file_name(each.key, each.resource)): each for each in policies}
        texts = {path: policy_text(o.item, o.key, o.resource) for path, o in objects.items()}
        places = re.compile(
            rf"(?P<path>{re.escape(str(folder))}/[a-z0-9.~-]+)(?::(?P<line>\d{{1,7}}):\d+)?"
        )
        return cls(folder, texts, objects, places)

    def read(self) -> tuple[PolicySet, list[str]]:
        """Return the policies, and of each that cannot be read here a sentence why."""
        from enforcer.policy.store import read_texts

        files = read_texts(self.texts.items())
        wrong = [self.renamed(neutral(str(file.errors[0]))) for file in files if file.errors]
        return PolicySet(tuple(each for file in files for each in file.policies)), wrong

    def write(self) -> None:
        """
        Write the files.

        Raises:
            OSError: they cannot be written.
        """
        for path, text in self.texts.items():
            (self.folder / path).write_bytes(text)

    def renamed(self, text: str) -> str:
        """Return *text* with policies and their fields in place of files and lines."""
        return self._places.sub(self._place, text)

    def _place(self, found: re.Match[str]) -> str:
        item = self.objects.get(found["path"])
        if item is None:
            return found[0]
        name = f"{item.resource.kind} {item.label}"
        line = found["line"]
        if not line:
            return name
        field = field_at(self.texts[found["path"]].decode("utf-8", "replace"), int(line))
        return f"{name} {neutral(field)}" if field else name
