# SPDX-License-Identifier: MIT
"""Exit codes, and the one place where exceptions become sentences."""

from __future__ import annotations

import enum
import errno
import os
import sys
from typing import TYPE_CHECKING, Final

from enforcer.cli.folding import folded, width_of
from enforcer.errors import (
    ControlError,
    EnforcerError,
    FileError,
    HeldError,
    KernelError,
    PolicyError,
    PolicyErrors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "MEANINGS",
    "ConfigErrors",
    "Exit",
    "UsageError",
    "code_of",
    "complain",
    "conclude",
    "discard",
    "guarded",
]


class Exit(enum.IntEnum):
    """Exit codes of ``enforcer``."""

    OK = 0
    POLICY = 1
    USAGE = 2
    KERNEL = 3
    INTERNAL = 4
    DIFFERS = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS: Final = {
    Exit.OK: "all went well",
    Exit.POLICY: "a policy is invalid",
    Exit.USAGE: "wrong usage, not root, already or not running, a file cannot be opened",
    Exit.KERNEL: "this kernel cannot enforce",
    Exit.INTERNAL: "internal error",
    Exit.DIFFERS: "a policy test found another verdict than expected",
    Exit.INTERRUPTED: "interrupted, by Ctrl-C",
    Exit.BROKEN_PIPE: "the reader of the output is gone",
}
"""Of every exit code, for help and manual."""


class UsageError(EnforcerError):
    """The caller must set something right: privileges, a path, a daemon that does (not) run."""


class ConfigErrors(UsageError):
    """All errors of a configuration file, in its order; each has its place."""

    def __init__(self, errors: Sequence[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(each) for each in self.errors))


def code_of(errors: Iterable[PolicyError]) -> Exit:
    """Return the code for *errors*; if files could not be opened and nothing else was wrong, no policy is."""
    return Exit.USAGE if all(isinstance(each, FileError) for each in errors) else Exit.POLICY


def complain(sentence: str) -> None:
    """Print *sentence* to standard error; if even that is gone there is nobody left to tell."""
    _plain(f"enforcer: {sentence}")


def conclude(sentence: str) -> None:
    """Print *sentence*, with which a command ends, folded if standard error is a terminal."""
    stream = sys.stderr  # None if it was closed before the start
    width = width_of(stream) if stream is not None else None
    for part in folded(f"enforcer: {sentence}", width if "\n" not in sentence else None):
        _plain(part)


def _plain(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(2)


def guarded(call: Callable[[], int]) -> int:
    """Run *call*; whatever it raises becomes one sentence and an exit code."""
    try:
        code = call()
        return code if _is_written() else Exit.USAGE
    except SystemExit as ended:
        if not _is_written(quietly=True):
            raise SystemExit(ended.code or Exit.USAGE) from None
        raise
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        discard(1)
        return Exit.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 (the only broad handler: no traceback for users)
        _is_written(quietly=True)
        return _explain(error)


def _is_written(*, quietly: bool = False) -> bool:
    """
    Write what is still to be written; False if there is no room for it, which is said.

    *quietly*: that the reader has gone is no error, as of a help text.

    Raises:
        BrokenPipeError: the reader has gone.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard(1)
        if not quietly:
            raise
    except OSError as error:
        discard(1)
        complain(f"cannot write the output: {error.strerror}")
        return False
    return True


def _explain(error: Exception) -> int:
    match error:
        case PolicyErrors():
            _list(error.errors, "in policies: nothing was loaded")
            return code_of(error.errors)
        case ConfigErrors():
            _list(error.errors, "in the configuration: nothing was started")
            return Exit.USAGE
        case PolicyError():
            _list([error], "in policies: nothing was loaded")
            return code_of([error])
        case ControlError() | UsageError() | HeldError():
            conclude(str(error))
            return Exit.USAGE
        case KernelError():
            conclude("; ".join([str(error), *getattr(error, "__notes__", ())]))
            return Exit.KERNEL
        case OSError():
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            conclude(f"{where}{error.strerror or error}")
            return Exit.KERNEL if error.errno == errno.ENOSYS else Exit.USAGE
        case _:
            if os.environ.get("ENFORCER_DEBUG"):
                import traceback

                traceback.print_exception(error)
            conclude(
                f"internal error: {type(error).__name__}: {error}: "
                "this is a bug; ENFORCER_DEBUG=1 shows where it happened"
            )
            return Exit.INTERNAL


def _list(errors: Sequence[PolicyError], summary: str) -> None:
    from enforcer.cli.messages import tell_errors

    tell_errors(errors)
    many = len(errors)
    conclude(f"{many} error{'s' if many != 1 else ''} {summary}")


def discard(fd: int) -> None:
    """Point *fd* nowhere, so that the interpreter's own last flush cannot fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
