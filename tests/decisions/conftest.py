# SPDX-License-Identifier: MIT
"""Which builds of the decision the tests of this folder run on."""

from __future__ import annotations

import pytest
from builds import KernelBuild, Run, kernel_build, run_native


@pytest.fixture(scope="session")
def in_kernel() -> KernelBuild:
    """The build in the running kernel; skips where the kernel refuses it."""
    found = kernel_build()
    if isinstance(found, str):
        pytest.skip(f"the in-kernel build cannot be loaded here: {found}")
    return found


@pytest.fixture(scope="session")
def builds() -> dict[str, Run]:
    """Return every compiled build that this host can run, by name."""
    found = kernel_build()
    return {"native": run_native} | ({} if isinstance(found, str) else {"in-kernel": found})
