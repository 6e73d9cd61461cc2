# SPDX-License-Identifier: MIT
"""
What holds for every test: no verdict by the clock. Machines are busy, and a slow example is no bug.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "enforcer", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("enforcer")
