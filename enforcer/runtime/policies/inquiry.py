# SPDX-License-Identifier: MIT
"""
The sources of the active policies, for explanations of the daemon's records.

The daemon says where it reads policies and what was changed at run time. The client reads them, so
that this does not hold up the daemon's loop. The files may have changed since; this shows when they
give another verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.runtime_changes import Overlay

if TYPE_CHECKING:
    from enforcer.policy.model.policy import PolicySet
    from enforcer.runtime.control.answers import SourcesDocument
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["describe_sources", "read_back"]


def describe_sources(enforcement: Enforcement) -> SourcesDocument:
    """Describe what the active policies were made of."""
    return {
        "paths": [str(path.absolute()) for path in enforcement.sources.paths],
        "audit": enforcement.sources.audit,
        "overlay": enforcement.now.overlay.as_dict(),
        "generation": enforcement.now.generation,
        "instead": _instead(enforcement.now),
    }


def _instead(now: ActiveSet) -> dict[str, str | None]:
    """Return what is active of files that say something else: their text, or None for nothing."""
    texts = now.texts.unpack() if now.texts is not None and now.refused else {}
    kept = {each.path: texts.get(each.path) for each in now.refused}
    return {path: None if text is None else text.decode() for path, text in kept.items()}


def read_back(described: SourcesDocument) -> PolicySet:
    """
    Read what :func:`describe_sources` described.

    Raises:
        PolicyErrors: what the files say by now is wrong.
        ControlError: two policies have one name by now.
    """
    paths = tuple(map(Path, described["paths"]))
    sources = Sources(paths, described["audit"], may_be_empty=True)
    files = sources.load(described["instead"])
    overlay = Overlay.from_dict(described["overlay"])
    return overlay.enabled(overlay.policies(files))
