# SPDX-License-Identifier: MIT
"""
``python -m enforcer``, and what the installed script calls.

Everything is imported inside: Ctrl-C while modules are read is no reason for a traceback, either.
"""

import sys

__all__ = ["main"]

_INTERRUPTED = 130  # as enforcer.cli.exits has it, which may not be imported yet


def main() -> int:
    """Run ``enforcer`` with the arguments of this process; return the exit code."""
    try:
        from enforcer.cli.main import main as run  # noqa: PLC0415 (it takes time: see above)

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
