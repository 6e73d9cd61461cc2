# SPDX-License-Identifier: MIT
"""Numbers in the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CONTENT_TYPE", "Family", "Sample", "exposition"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@attrs.frozen
class Sample:
    """One number, told from its like by *labels*."""

    value: float
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Family:
    """
    Numbers of one meaning.

    Attributes:
        name: those of counters end with ``_total``.
        kind: ``counter`` or ``gauge``.
        help: one sentence.
    """

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def exposition(families: Iterable[Family]) -> bytes:
    """Write *families*; one without samples is left out."""
    return "".join(_family(family) for family in families if family.samples).encode()


def _family(family: Family) -> str:
    lines = [
        f"# HELP {family.name} {family.help.translate(_HELP_ESCAPES)}",
        f"# TYPE {family.name} {family.kind}",
        *(f"{family.name}{_labels(each.labels)} {each.value!r}" for each in family.samples),
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"
