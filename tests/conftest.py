# SPDX-License-Identifier: MIT
"""
What holds for every test: no verdict by the clock, and which tests cannot run beside each other.

Machines are busy, and a slow example is not a bug.
"""

import os
import signal
from typing import Any

import pytest

# No test of the guest has examples to look for, and an emulated machine imports the library for two seconds.
if os.environ.get("ENFORCER_GUEST") != "1":
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "enforcer", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
    )
    settings.load_profile("enforcer")

# A script ignores Ctrl-C for what it runs in its background, and whatever that starts inherits it: tests that
# interrupt a program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests of one of these directories are run by one process, one after another.
_ALONE = {
    "tests/unit/kernel": "they load into the one kernel, pin at one place, build objects in one folder",
    "tests/unit/packages": "they look at one wheel, which takes seconds to make",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process whole files, and what shares something to one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((alone for alone in _ALONE if file.startswith(f"{alone}/")), file)

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many blocks of the documentation are run where, once their tests have run."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    if any("unit/test_printed.py" in getattr(report, "nodeid", "") for report in reports):
        from pages.sessions import tally

        terminalreporter.write_line(f"documentation: {tally()}")
