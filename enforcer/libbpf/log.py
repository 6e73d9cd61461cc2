# SPDX-License-Identifier: MIT
"""
What libbpf says, kept until someone asks.

libbpf prints warnings through a C callback, and the extension keeps the last of them. After a failure
they are added to the error, otherwise they go to the debug log.
"""

from __future__ import annotations

import logging

from enforcer.libbpf._ffi import ffi, lib

__all__ = ["discard", "take", "verifier_log"]

_logger = logging.getLogger(__name__)
_text = ffi.new("char[]", lib.ENF_LOG_SIZE)
_lost = ffi.new("unsigned long long *")
_BEGIN = "-- BEGIN PROG LOAD LOG --\n"
_END = "-- END PROG LOAD LOG --"

lib.enf_log_install()


def take() -> str:
    """Return, and forget, everything said since the last call; its beginning may be missing."""
    used = lib.enf_log_take(_text, _lost)
    text = bytes(ffi.buffer(_text, used)).decode(errors="replace")
    if _lost[0]:
        text = f"[{_lost[0]} bytes before this are missing]\n{text}"
    return text


def discard() -> None:
    """Forget what was said so far, but for the debug log: it belongs to nothing that follows."""
    for line in take().splitlines():
        _logger.debug("libbpf: %s", line)


def verifier_log(text: str) -> str | None:
    """Return the verifier's part of *text*, or None if the verifier said nothing."""
    said, end, _ = text.rpartition(_END)
    if not end:
        return None
    # The beginning of a long log is displaced, and its mark with it.
    _, begin, log = said.rpartition(_BEGIN)
    return log if begin else said
