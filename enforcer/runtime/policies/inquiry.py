# SPDX-License-Identifier: MIT
"""
Which policies are in force, for whoever asks the daemon about one of its records.

The daemon tells where it reads them and what was changed at run time; whoever asks reads them, so
that nothing of that keeps the daemon's loop. Files may have changed since: then they explain nothing
of before, which shows when they are asked for the verdict again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.runtime_changes import Overlay

if TYPE_CHECKING:
    from enforcer.policy.model.policy import PolicySet
    from enforcer.runtime.control.answers import SourcesDocument
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["in_force", "read_back"]


def in_force(enforcement: Enforcement) -> SourcesDocument:
    """Describe what the policies in force were made of."""
    return {
        "paths": [str(path.absolute()) for path in enforcement.sources.paths],
        "audit": enforcement.sources.audit,
        "overlay": enforcement.now.overlay.as_dict(),
        "generation": enforcement.now.generation,
    }


def read_back(described: SourcesDocument) -> PolicySet:
    """
    Read what :func:`in_force` described.

    Raises:
        PolicyErrors: what the files say by now is wrong.
        ControlError: two policies have one name by now.
    """
    files = Sources(tuple(Path(path) for path in described["paths"]), described["audit"]).load()
    overlay = Overlay.from_dict(described["overlay"])
    return overlay.in_force(overlay.policies(files))
