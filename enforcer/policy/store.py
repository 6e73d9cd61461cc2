# SPDX-License-Identifier: MIT
"""
Files and directories of policies to one PolicySet: all of it, or every error in any of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from enforcer.errors import PolicyError
from enforcer.policy.build import build
from enforcer.policy.context import Context
from enforcer.policy.loader import MAX_BYTES, read
from enforcer.policy.model import Policy, PolicySet, Span
from enforcer.policy.names import Resolver, SystemResolver
from enforcer.policy.nodes import Scalar

__all__ = ["load_policies", "load_text", "policy_files"]

SUFFIXES = (".yaml", ".yml")


def load_policies(paths: Sequence[str | Path], resolver: Resolver | None = None) -> PolicySet:
    """
    Load all policies of *paths*: files, and directories with what :func:`policy_files` finds there.

    Raises:
        PolicyErrors: every error of every file; nothing is loaded then.
    """
    context = Context(resolver=resolver or SystemResolver())
    policies: list[Policy] = []
    for file in _files(paths, context):
        with context.problems.catching():
            content = _content(file)
            policies += _policies(content, str(file), context)
    _check_names(policies, context)
    context.problems.check()
    return PolicySet(tuple(policies))


def load_text(text: str | bytes, file: str, resolver: Resolver | None = None) -> PolicySet:
    """
    Load the policies of one text; *file* is the name used in places.

    Raises:
        PolicyErrors: every error of the text.
    """
    context = Context(resolver=resolver or SystemResolver())
    policies = _policies(text, file, context)
    _check_names(policies, context)
    context.problems.check()
    return PolicySet(tuple(policies))


def policy_files(directory: Path) -> Iterator[Path]:
    """
    Yield the policy files below *directory*, sorted; hidden files and directories are left out.

    Raises:
        OSError: a directory cannot be read.
    """
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from policy_files(entry)
        elif entry.suffix in SUFFIXES and not entry.is_dir():
            yield entry


def _files(paths: Sequence[str | Path], context: Context) -> Iterator[Path]:
    """Yield every file to read once, even if several of *paths* lead to it."""
    seen: set[str] = set()
    for path in map(Path, paths):
        try:
            files = list(policy_files(path)) if path.is_dir() else [path]
        except OSError as error:
            context.add(f"cannot list the directory: {error.strerror}", _start(path))
            continue
        if not files:
            context.add("the directory has no policy: put *.yaml files there", _start(path))
        for file in files:
            real = _identity(file)
            if real not in seen:
                seen.add(real)
                yield file


def _identity(file: Path) -> str:
    try:
        return os.path.realpath(file)
    except ValueError:  # no file can have this name, as reading it will say
        return str(file)


def _content(path: Path) -> bytes:
    """Read a regular file up to just above the limit; a FIFO or device is not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                msg = "not a regular file"
                raise PolicyError(msg, _start(path))
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"cannot read the file: {error.strerror}"
        raise PolicyError(msg, _start(path)) from error
    except ValueError as error:
        msg = f"not the name of a file: {error}"
        raise PolicyError(msg, _start(path)) from error


def _policies(content: str | bytes, file: str, context: Context) -> list[Policy]:
    source = read(content, file)
    context.problems.errors.extend(source.errors)
    documents = [d for d in source.documents if not (isinstance(d, Scalar) and d.is_null)]
    if not documents and not source.errors:
        context.add("the file has no policy in it", Span(file, 1, 1))
    built = (build(document, context) for document in documents)
    return [policy for policy in built if policy is not None]


def _check_names(policies: list[Policy], context: Context) -> None:
    first: dict[str, Policy] = {}
    for policy in policies:
        other = first.setdefault(policy.name, policy)
        if policy.name and other is not policy:
            context.add(f"policy {policy.name!r} has its name from {other.span}", policy.span)


def _start(path: Path) -> Span:
    return Span(str(path), 1, 1)
