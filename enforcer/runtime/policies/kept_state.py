# SPDX-License-Identifier: MIT
"""What a later daemon must know about an active image: JSON, kept beside the image in the kernel."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import attrs

from enforcer import __version__
from enforcer.compiler import LabelNumbers
from enforcer.errors import KernelError
from enforcer.events.rows import RowTable
from enforcer.runtime.policies.kept_texts import KeptTexts
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.sessions.counts import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.policy.model.container_links import Links

__all__ = ["State"]

_FORMAT = 2


@attrs.frozen
class State:
    """
    One active image.

    Attributes:
        origins: of its rows.
        labels: numbers of conditions on processes.
        ledger: counts that were final before it.
        overlay: changes at run time.
        links: those in containers that counted, by cgroup.
        digest: of its policies.
        unconfirmed: digest of the set that was taken back last; empty: none was.
        written: what its policy files said; None: that is not known.
    """

    origins: RowTable
    labels: LabelNumbers
    ledger: Ledger
    overlay: Overlay
    links: Mapping[bytes, Links] = attrs.field(factory=dict)
    digest: str = ""
    unconfirmed: str = ""
    written: KeptTexts | None = None

    def encode(self) -> bytes:
        """Write it."""
        document = {
            "format": _FORMAT,
            "version": __version__,
            "origins": self.origins.as_dict(),
            "labels": {"known": self.labels.known, "used": sorted(self.labels.used)},
            "marks": self.labels.marks,
            "ledger": self.ledger.as_list(),
            "overlay": self.overlay.as_dict(),
            "digest": self.digest,
            "unconfirmed": self.unconfirmed,
            "written": self.written.as_text() if self.written is not None else None,
            "links": {
                os.fsdecode(cgroup): {
                    os.fsdecode(path): [os.fsdecode(target) for target in targets]
                    for path, targets in links.items()
                }
                for cgroup, links in self.links.items()
            },
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> State:
        """
        Read what :meth:`encode` wrote.

        Raises:
            KernelError: it is something else, or of another format.
        """
        try:
            found = json.loads(data)
            if found["format"] != _FORMAT:
                raise KernelError(
                    f"what an earlier daemon left has format {found['format']}, not {_FORMAT}"
                )
            return cls(
                origins=RowTable.from_dict(found["origins"]),
                labels=LabelNumbers(
                    dict(found["labels"]["known"]),
                    frozenset(found["labels"]["used"]),
                    {key: (number, born) for key, (number, born) in found["marks"].items()},
                ),
                ledger=Ledger.from_list(found["ledger"]),
                overlay=Overlay.from_dict(found["overlay"]),
                links={
                    os.fsencode(cgroup): {
                        os.fsencode(path): tuple(map(os.fsencode, targets))
                        for path, targets in links.items()
                    }
                    # What a version before wrote has none.
                    for cgroup, links in found.get("links", {}).items()
                },
                digest=str(found.get("digest", "")),
                unconfirmed=str(found.get("unconfirmed", "")),
                written=KeptTexts.from_text(text) if (text := found.get("written")) else None,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise KernelError(f"what an earlier daemon left cannot be read: {error}") from error
