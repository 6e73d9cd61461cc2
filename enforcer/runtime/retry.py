# SPDX-License-Identifier: MIT
"""Which failures are tried again, and for how long."""

from __future__ import annotations

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

__all__ = ["while_busy"]


def while_busy(seconds: float) -> Retrying:
    """Try again for *seconds* while the answer is EAGAIN; the last error is raised as it is."""
    return Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        wait=wait_random_exponential(multiplier=0.02, max=0.2),
        stop=stop_after_delay(seconds),
        reraise=True,
    )
