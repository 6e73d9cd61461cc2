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
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["describe_sources", "read_back"]


def describe_sources(enforcement: Enforcement) -> SourcesDocument:
    """Describe what the active policies were made of."""
    return {
        "paths": [str(path.absolute()) for path in enforcement.sources.paths],
        "audit": enforcement.sources.audit,
        "overlay": enforcement.now.overlay.as_dict(),
        "generation": enforcement.now.generation,
    }


def read_back(described: SourcesDocument) -> PolicySet:
    """
    Read what :func:`describe_sources` described.

    Raises:
        PolicyErrors: what the files say by now is wrong.
        ControlError: two policies have one name by now.
    """
    files = Sources(tuple(Path(path) for path in described["paths"]), described["audit"]).load()
    overlay = Overlay.from_dict(described["overlay"])
    return overlay.enabled(overlay.policies(files))
