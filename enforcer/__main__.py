# SPDX-License-Identifier: MIT
"""
``python -m enforcer``, and what the installed scripts call.

Everything is imported inside: Ctrl-C while modules are read is no reason for a traceback, either.
"""

import os
import sys

__all__ = ["kubectl", "kubectl_complete", "main"]

_INTERRUPTED = 130  # as enforcer.cli.exits has it, which may not be imported yet


def main() -> int:
    """Run ``enforcer`` with the arguments of this process; return the exit code."""
    _open_standard()
    try:
        from enforcer.cli.main import main as run  # noqa: PLC0415 (it takes time: see above)

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED


def kubectl() -> int:
    """Run ``kubectl enforcer``, as whose plug-in this process was started; return the exit code."""
    _open_standard()
    try:
        from enforcer.plugin.main import main as run  # noqa: PLC0415 (as above)

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED


def kubectl_complete() -> int:
    """Complete the words behind ``kubectl enforcer``, for kubectl; return the exit code."""
    try:
        from enforcer.plugin.completion import main as run  # noqa: PLC0415 (as above)

        return run()
    except (KeyboardInterrupt, BrokenPipeError):
        return _INTERRUPTED


def _open_standard() -> None:
    """
    Have standard input, output and error lead nowhere if they are closed (``>&-``), as some supervisors leave them.

    Else the next file or map that is opened is one of them, and Python has none at all to write to.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free, which is this one. What reads it is refused, as before.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR if number else os.O_WRONLY), True)
        if number and getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (for as long as it runs)


if __name__ == "__main__":
    sys.exit(main())
