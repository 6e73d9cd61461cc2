# SPDX-License-Identifier: MIT
"""
The forms of a journal's JSON blocks.

A checksum tells that a block was not damaged by accident, and nothing about who wrote it. So each block is compared
with the form of its kind before anything else reads it, and one that does not fit counts as damaged.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, cast

from enforcer._abi import ENF_PATH_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enforcer.workbench.replay.document_types import (
        EndDocument,
        JournalHead,
        LossesDocument,
        PeopleDocument,
        WorkloadsDocument,
    )

__all__ = ["UnfitError", "read_end", "read_head", "read_losses", "read_people", "read_workloads"]

_MOST: Final = 1 << 63  # nanoseconds, and whatever is counted
_LONGEST: Final = 1e10  # seconds of a recording
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_TEXTS: Final = ("abi", "boot", "host", "kernel")


class UnfitError(ValueError):
    """A block of JSON has not the form of its kind."""


def read_head(content: Mapping[str, Any]) -> JournalHead:
    """
    Check the head of a recording; what is left out of it is not known.

    Raises:
        UnfitError: it has another form, as each of these functions does.
    """
    _number(content.get("format"))
    for key in _TEXTS:
        _text(content.get(key, ""))
    _maybe(_text, content.get("machine"))
    for key in ("began", "wall"):
        _number(content.get(key, 0), least=-_MOST)
    for key in ("operations", "calls"):
        _each(_text, content.get(key, []))
    return cast("JournalHead", content)


def read_people(content: Mapping[str, Any]) -> PeopleDocument:
    """Check a block about processes or users."""
    for uid, name in _mapping(content.get("users", {})).items():
        if not _NUMBER.fullmatch(uid):
            raise UnfitError("a user has no number")
        _text(name)
    _each(_process, content.get("processes", []))
    return cast("PeopleDocument", content)


def read_workloads(content: Mapping[str, Any]) -> WorkloadsDocument:
    """Check a block about containers and pods."""
    _each(_workload, content.get("workloads"))
    return cast("WorkloadsDocument", content)


def read_losses(content: Mapping[str, Any]) -> LossesDocument:
    """Check a block that counts what found no room."""
    for key in ("accesses", "lines"):
        _number(content.get(key, 0))
    return cast("LossesDocument", content)


def read_end(content: Mapping[str, Any]) -> EndDocument:
    """Check the last block of an orderly recording."""
    seconds = content.get("seconds", 0.0)
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= _LONGEST:  # nor is it, where it is no number (NaN)
        raise UnfitError("it has no time")
    return cast("EndDocument", content)


# ---- Parts ----------------------------------------------------------------------------------------


def _process(value: object) -> None:
    found = _mapping(value)
    for key in ("pid", "ticks", "parent"):
        _number(found.get(key))
    _text(found.get("name", ""))
    _maybe(_text, found.get("exe"))
    _maybe(_texts, found.get("cmdline"))


def _workload(value: object) -> None:
    found = _mapping(value)
    if len(_path(found.get("cgroup"))) >= ENF_PATH_MAX:
        raise UnfitError("no cgroup has so long a path")
    for values in _mapping(found.get("facts")).values():
        _maybe(_paths, values)


def _number(value: object, *, least: int = 0) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _MOST:
        raise UnfitError("it has no number where one belongs")


def _text(value: object) -> None:
    """Text as records show it, which can be written again."""
    _encoded(value, str.encode)


def _path(value: object) -> bytes:
    """Text that stands for bytes (PEP 383), which are returned."""
    return _encoded(value, os.fsencode)


def _encoded(value: object, encode: Callable[[str], bytes]) -> bytes:
    if not isinstance(value, str):
        raise UnfitError("it has no text where one belongs")
    try:
        return encode(value)
    except UnicodeEncodeError as error:
        raise UnfitError("it has half of a character") from error


def _texts(value: object) -> None:
    _each(_text, value)


def _paths(value: object) -> None:
    _each(_path, value)


def _each(check: Callable[[object], object], value: object) -> None:
    if not isinstance(value, list):
        raise UnfitError("it has no list where one belongs")
    for each in value:
        check(each)


def _maybe(check: Callable[[object], None], value: object) -> None:
    if value is not None:
        check(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnfitError("it has no object where one belongs")
    return value
