# SPDX-License-Identifier: MIT
"""What a later daemon must know of an image in force: kept beside it in the kernel, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from enforcer import __version__
from enforcer.compiler import LabelNumbers
from enforcer.errors import KernelError
from enforcer.events.types import Origin
from enforcer.runtime.ledger import Ledger
from enforcer.runtime.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["State"]

_FORMAT = 1


@attrs.frozen
class State:
    """
    One image in force.

    Attributes:
        origins: of its rows.
        labels: numbers of conditions on processes.
        ledger: counts that were final before it.
        overlay: changes at run time.
    """

    origins: Sequence[Origin]
    labels: LabelNumbers
    ledger: Ledger
    overlay: Overlay

    def encode(self) -> bytes:
        """Write it."""
        document = {
            "format": _FORMAT,
            "version": __version__,
            "origins": [attrs.astuple(origin) for origin in self.origins],
            "labels": {"known": self.labels.known, "used": sorted(self.labels.used)},
            "marks": self.labels.marks,
            "ledger": self.ledger.as_list(),
            "overlay": self.overlay.as_dict(),
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
                    f"what the daemon before left is in format {found['format']}, not {_FORMAT}"
                )
            return cls(
                origins=tuple(_origin(fields) for fields in found["origins"]),
                labels=LabelNumbers(
                    dict(found["labels"]["known"]),
                    frozenset(found["labels"]["used"]),
                    {key: (number, born) for key, (number, born) in found["marks"].items()},
                ),
                ledger=Ledger.from_list(found["ledger"]),
                overlay=Overlay.from_dict(found["overlay"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise KernelError(f"what the daemon before left cannot be read: {error}") from error


def _origin(fields: list[Any]) -> Origin:
    names = [field.name for field in attrs.fields(Origin)]
    values = dict(zip(names, fields, strict=True))
    operands = tuple((str(name), int(at), str(how)) for name, at, how in values["operands"])
    lists = {name: tuple(values[name]) for name in ("tags", "asked")}
    return Origin(**{**values, **lists, "operands": operands})
