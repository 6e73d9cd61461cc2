# SPDX-License-Identifier: MIT
"""
Which annotations of objects the agent reads; all others go as soon as an object comes.

An object may have 256 KiB of annotations, which nobody checks, and whoever writes it says what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from enforcer.policy.language.kube import GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONFIG_HASH",
    "CONFIG_MIRROR",
    "LONGEST",
    "MODE",
    "NODES",
    "POSTURE",
    "ROLLOUT",
    "SHARE",
    "of_pod",
    "of_policy",
]

ROLLOUT: Final = f"{GROUP}/rollout"
"""How annotations begin that are about a rollout, and those that somebody has taken for one."""
MODE: Final = f"{ROLLOUT}-mode"
SHARE: Final = f"{ROLLOUT}-share"
NODES: Final = f"{ROLLOUT}-nodes"

POSTURE: Final = "kubearmor-"
"""How annotations begin that are a part of a policy of KubeArmor."""

CONFIG_HASH: Final = "kubernetes.io/config.hash"
CONFIG_MIRROR: Final = "kubernetes.io/config.mirror"
"""What the kubelet writes on pods of its own."""

_KNOWN: Final = frozenset({MODE, SHARE, NODES})
LONGEST: Final = 1024
"""Characters of an annotation that says something."""


def of_policy(notes: object, *, is_foreign: bool) -> dict[str, Any]:
    """
    Return what is read of the annotations of a policy. It means the same as all of them.

    Of those that are only near a rollout the first is enough: it is refused whatever the others say. Postures are all
    kept, since they decide; they are read of the policies of other engines only.
    """
    if not isinstance(notes, dict):
        return {}
    near = sorted(name for name in notes if name.lower().startswith(ROLLOUT))
    kept = {
        name: _short(notes[name])
        for name in [*_KNOWN.intersection(near), *[each for each in near if each not in _KNOWN][:1]]
    }
    if is_foreign:
        kept |= {name: value for name, value in notes.items() if name.startswith(POSTURE)}
    return kept


def of_pod(notes: object) -> dict[str, Any]:
    """Return what is read of the annotations of a pod. What is longer than any digest is none."""
    found: Mapping[str, Any] = notes if isinstance(notes, dict) else {}
    kept = {word: found.get(word) for word in (CONFIG_HASH, CONFIG_MIRROR)}
    return {
        word: value
        for word, value in kept.items()
        if isinstance(value, str) and len(value) <= LONGEST
    }


def _short(value: Any) -> Any:
    """Return *value*; of a text that is too long, one that still is."""
    if not isinstance(value, str):
        return None  # it is refused for that
    return value if len(value) <= LONGEST else value[: LONGEST + 1]
