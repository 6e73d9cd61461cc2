# SPDX-License-Identifier: MIT
"""
Return codes of libbpf to exceptions. Private to the package.

libbpf returns ``-errno``, or its own codes from 4000 up, for which only ``libbpf_strerror`` knows the
text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from enforcer.errors import KernelError, VerifierError
from enforcer.libbpf import log
from enforcer.libbpf._ffi import ffi, lib

if TYPE_CHECKING:  # names of the stub, not of the extension
    from enforcer.libbpf._ffi import CData

_LIBBPF_ERRORS = 4000
_NOTE_LINES = 8
_TOLD = re.compile(r"^Verification failed: (.+)$(?:.|\n)*?^Reason:\n((?: +\S.*\n)+)", re.MULTILINE)
_PROGRAM = re.compile(r"prog '(\w+)': failed to load")


def check(code: int, what: str) -> int:
    """
    Return *code* unless it is negative.

    Args:
        code: what a function of libbpf returned.
        what: what was tried, to follow "cannot".

    Raises:
        VerifierError: if the verifier said why.
        KernelError: otherwise.
    """
    if code >= 0:
        return code
    raise _error(-code, what)


def check_pointer(pointer: CData, what: str) -> CData:
    """
    Return *pointer* unless it is NULL; errno says why.

    Raises:
        KernelError: if it is NULL.
    """
    if pointer == ffi.NULL:
        raise _error(ffi.errno, what)
    return pointer


def _error(code: int, what: str) -> KernelError:
    said = log.take()
    verifier = log.verifier_log(said)
    if verifier is not None:
        program = _PROGRAM.findall(said)
        of = f" of {program[-1]}" if program else ""
        message = f"cannot {what}: the verifier said{of}: {_why(verifier)}"
        return VerifierError(message, code, verifier)
    if code >= _LIBBPF_ERRORS:
        error = KernelError(f"cannot {what}: {_strerror(code)}")
    else:
        error = KernelError(f"cannot {what}", code)
    for line in said.splitlines()[-_NOTE_LINES:]:
        error.add_note(line)
    return error


def _why(verifier: str) -> str:
    """
    Return what a verifier log names as the reason, in one line.

    Newer kernels (seen on 7.3) write a title, and paragraphs of which one is the reason. Others end with it, before the
    totals.
    """
    if told := _TOLD.search(verifier):
        return f"{told[1]}: {' '.join(told[2].split()).rstrip('.')}"
    lines = [
        line
        for line in verifier.splitlines()
        if line.strip() and not line.startswith(("processed ", "verification time", "stack depth"))
    ]
    return lines[-1] if lines else "nothing"


def _strerror(code: int) -> str:
    text = ffi.new("char[128]")
    lib.libbpf_strerror(code, text, 128)
    return ffi.string(text).decode()
