# SPDX-License-Identifier: MIT
"""Runtimes that are ready, or the sentence that says why one is not."""

import functools
from pathlib import Path

import pytest
import runtime_packages
import runtimes


@functools.cache  # a machine that takes file after file has a session for each
def _put_in_place() -> None:
    runtime_packages.put_in_place()


@pytest.fixture(scope="session")
def packages() -> None:
    """Put the packages in place, once."""
    assert Path("/run/systemd/system").is_dir(), "start the guest with --systemd"
    _put_in_place()


@pytest.fixture(scope="session")
def ready(packages: None):
    """Return a runtime that can run containers; skip where one of its packages could not be had."""

    def make(runtime: runtimes.Runtime) -> runtimes.Runtime:
        if why := runtime_packages.why_missing(*runtime.packages):
            pytest.skip(why)
        runtimes.make_ready()
        runtime.prepare()
        return runtime

    return make
