# SPDX-License-Identifier: MIT
"""What the engine says became of each policy file: the file of ``enforcer start --results``, read with care."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.identity.naming import boot_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.runtime.control.first_denials import FirstDenial
    from enforcer.runtime.policies.results import PolicyResult, ResultsDocument

__all__ = ["Denial", "FileResult", "Results", "read_results"]

_MAX: Final = 16 << 20
"""Bytes. An engine writes some 10 MiB at most, and the agent has 256 MiB to read them with."""

_STATES: Final = frozenset({"active", "audit", "degraded", "older", "refused"})


@attrs.frozen
class FileResult:
    """What became of one file."""

    state: str
    reason: str
    message: str
    digest: str | None
    denials: int


@attrs.frozen
class Denial:
    """
    A pod in which a policy refused something.

    Attributes:
        policy: as the engine calls it.
        action: deny or kill, and *operation* what that was, of the first time.
        first: when, seconds since 1970; *last*: when for the last time.
    """

    policy: str
    rule: str
    action: str
    operation: str
    uid: str
    pod: str
    namespace: str
    first: float
    last: float
    count: int


@attrs.frozen
class Results:
    """
    What the engine said last.

    Attributes:
        time: when, seconds since 1970.
        files: by the names of the files with their folders.
        denials: the first ones of policies in pods.
        problem: why what the files say now is not active, where none of them is to blame.
        omitted: files that are refused, besides those in *files*.
        enforces: how many policies enforce and how many do not, as words; empty: it does not say.
    """

    version: str
    kernel: str
    time: float
    generation: int
    mode: str
    lost: int
    files: dict[str, FileResult]
    denials: tuple[Denial, ...] = ()
    problem: str = ""
    omitted: int = 0
    enforces: str = ""


def read_results(path: Path, tell: Callable[[str], None] = lambda _: None) -> Results | None:
    """
    Return what *path* says; None if there is nothing, or nothing that makes sense, of which *tell* gets why.

    Only root may have written it: the agent tells others what is enforced here. It must be of this boot: after a
    crash of the machine the file is still there, and nothing that it says is active.
    """
    try:
        document = _read(path)
        return _results(document) if _is_of_this_boot(document) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        tell(error.strerror or str(error))
    except (
        ValueError,
        OverflowError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        tell(f"it makes no sense: {error!r}")
    return None  # towards unknown: what is reported then says so


def _read(path: Path) -> ResultsDocument:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no file")
        if found.st_uid not in {0, os.geteuid()} or found.st_mode & 0o022:
            raise OSError("others than root may have written it")
        if found.st_size > _MAX:
            raise OSError(f"it has more than {_MAX:,} bytes")
        document: ResultsDocument = json.loads(file.read(_MAX))
    return document


def _is_of_this_boot(document: ResultsDocument) -> bool:
    # Towards unknown: a document that does not say it, as of an engine before this was written, may be of any boot.
    here = boot_id()
    return bool(here) and document.get("boot") == here


def _results(document: ResultsDocument) -> Results:
    return Results(
        version=_text(document["enforcer"]),
        kernel=_text(document["kernel"]),
        time=float(document["time"]),
        generation=int(document["generation"]),
        mode=_text(document["mode"]),
        lost=int(document["lost"]),
        # Of a file with several policies, of which the agent writes none, the last counts.
        files={each["file"]: _file(each) for each in document["policies"]},
        # An engine of another version may not say it.
        denials=tuple(map(_denial, document.get("firstDenials", ()))),
        problem=_text(document.get("problem", "")),
        omitted=int(document.get("omitted", 0)),
        enforces=_text(document["posture"]["summary"]) if "posture" in document else "",
    )


def _file(each: PolicyResult) -> FileResult:
    if each["state"] not in _STATES:
        raise ValueError("a state that is not known")
    digest = each["digest"]
    return FileResult(
        state=each["state"],
        reason=_text(each["reason"]),
        message=_text(each["message"]),
        digest=None if digest is None else _text(digest),
        denials=int(each["denials"]),
    )


def _denial(each: FirstDenial) -> Denial:
    return Denial(
        policy=_text(each["policy"]),
        rule=_text(each["rule"]),
        action=_text(each["action"]),
        operation=_text(each["operation"]),
        uid=_text(each["podUid"]),
        pod=_text(each["podName"]),
        namespace=_text(each["podNamespace"]),
        first=float(each["first"]),
        last=float(each["last"]),
        count=int(each["count"]),
    )


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError("not a text")
    return found
