# SPDX-License-Identifier: MIT
"""
Read files and directories of policies: into one PolicySet or every error in any of them, or each by itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import attrs

from enforcer import places
from enforcer.errors import FileError, PolicyError, PolicyErrors
from enforcer.garbage import uncollected
from enforcer.policy.build import build
from enforcer.policy.kernel_types.operand_path import Types
from enforcer.policy.language.symbols import Resolver, SystemResolver
from enforcer.policy.model.policy import Policy, PolicySet
from enforcer.policy.readers.context import Context
from enforcer.policy.text.folders import entries, policy_files
from enforcer.policy.text.loader import MAX_BYTES, read, standard_input
from enforcer.policy.text.nodes import Scalar
from enforcer.policy.text.problems import Problems
from enforcer.policy.text.regular_files import irregular, why_unreadable
from enforcer.policy.text.trust import Place, Trust
from enforcer.span import Span

__all__ = [
    "FileText",
    "PolicyFile",
    "Trust",
    "find_texts",
    "load_policies",
    "load_text",
    "load_texts",
    "policy_files",
    "read_texts",
]

# A FIFO or device in place of a file is not waited for.
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@attrs.frozen
class FileText:
    """
    A file that was found.

    Attributes:
        path: of the file, or of a directory that cannot be listed.
        content: what it says; None if it cannot be read.
        errors: why it cannot be.
    """

    path: str
    content: bytes | None
    errors: tuple[PolicyError, ...] = ()


@attrs.frozen
class PolicyFile:
    """
    A text that was read by itself.

    Attributes:
        path: of its file.
        policies: what it asks for; none if anything is wrong with it.
        errors: everything that is wrong with it.
    """

    path: str
    policies: tuple[Policy, ...]
    errors: tuple[PolicyError, ...]


@uncollected()
def load_policies(
    paths: Sequence[str | Path],
    resolver: Resolver | None = None,
    *,
    trust: Trust | None = None,
    may_be_empty: bool = False,
    instead: Mapping[str, str | None] | None = None,
    texts: dict[str, bytes] | None = None,
) -> PolicySet:
    """
    Load all policies of *paths*: files, and directories with what :func:`policy_files` finds there.

    Args:
        paths: where they are; what several of them lead to is read once. One may be ``places.STDIN``.
        resolver: where names of users and groups are looked up; else this system.
        trust: who must own the files for them to be activated; None: anybody may, as for checking.
        may_be_empty: a directory without policies is no error.
        instead: texts that count in place of what the files of these paths say; None: nothing does.
        texts: gets what each file says.

    Raises:
        PolicyErrors: every error of every file; nothing is loaded then.
    """
    context = Context(resolver=resolver or SystemResolver())
    policies: list[Policy] = []

    def take(content: bytes, file: str) -> None:
        if texts is not None:
            texts[file] = content
        found = content if instead is None else instead.get(file, content)
        if found is not None:
            policies.extend(_policies(found, file, context))

    reader = _Reader(context.problems, trust, take, may_be_empty=may_be_empty)
    for path in paths:
        reader.read(Path(path))
    _check_names(policies, context)
    context.problems.check()
    return PolicySet(tuple(policies))


def find_texts(paths: Sequence[str | Path], *, trust: Trust | None = None) -> list[FileText]:
    """
    Read what the files of *paths* say, each by itself: what is wrong with one is nothing to the others.

    Args:
        paths: where they are, as for :func:`load_policies`.
        trust: who must own them; None: anybody may.

    Returns:
        Every file, and every file or directory that could not be opened.
    """
    found: list[FileText] = []

    def take(content: bytes, file: str) -> None:
        found.append(FileText(file, content))

    problems = Problems()
    reader = _Reader(problems, trust, take, may_be_empty=True)
    for path in paths:
        reader.read(Path(path))
        for error in problems.errors:
            file = error.span.file if error.span is not None else str(path)
            found.append(FileText(file, None, (error,)))
        problems.errors.clear()
    return found


@uncollected()
def read_texts(
    texts: Iterable[tuple[str, bytes]],
    resolver: Resolver | None = None,
    types: Types | None = None,
) -> list[PolicyFile]:
    """
    Read several texts, each under the name that places in it get, by itself but for what foreign
    dialects keep over all of their policies: there the earlier text has precedence. Never raises.

    *types* say what there is in the kernel; else this machine's do.
    """
    shared = Context(resolver=resolver or SystemResolver(), known_types=types)
    return [_by_itself(content, file, shared) for file, content in texts]


def _by_itself(content: bytes, file: str, shared: Context) -> PolicyFile:
    context = attrs.evolve(shared, problems=Problems(), notes=[])
    policies = _policies(content, file, context)
    _check_names(policies, context)
    try:
        context.problems.check()
    except PolicyErrors as found:
        return PolicyFile(file, (), found.errors)
    return PolicyFile(file, tuple(policies), ())


def load_text(text: str | bytes, file: str, resolver: Resolver | None = None) -> PolicySet:
    """
    Load the policies of one text; *file* is the name used in places.

    Raises:
        PolicyErrors: every error of the text.
    """
    return load_texts({file: text}, resolver)


@uncollected()
def load_texts(texts: Mapping[str, str | bytes], resolver: Resolver | None = None) -> PolicySet:
    """
    Load the policies of *texts*, by the names used in places, as :func:`load_policies` does of files.

    Raises:
        PolicyErrors: every error of every text.
    """
    context = Context(resolver=resolver or SystemResolver())
    policies = [each for file, text in texts.items() for each in _policies(text, file, context)]
    _check_names(policies, context)
    context.problems.check()
    return PolicySet(tuple(policies))


@attrs.define(eq=False, repr=False)
class _Reader:
    """Reads files and directories, each file once, and gives what they say to *take*."""

    problems: Problems
    trust: Trust | None
    take: Callable[[bytes, str], None]
    may_be_empty: bool
    _seen: set[tuple[int, int]] = attrs.field(factory=set)

    def read(self, path: Path) -> None:
        """Read what *path* leads to, a file or a directory."""
        if path == places.STDIN and self.trust is None:
            self._standard_input()
            return
        with self.problems.catching(), self._open(path) as fd:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                self._directory(Place(fd, path))
            else:
                self._file(fd, path)

    def _standard_input(self) -> None:
        with self.problems.catching():
            with _telling(Path(places.STDIN_NAME)):
                content = standard_input()
            self.take(content, places.STDIN_NAME)

    def _directory(self, top: Place) -> None:
        """Read everything below *top*, from its descriptor: it stays the tree that was opened."""
        errors_before = len(self.problems.errors)
        is_empty = True
        pending = [(top.path, True)]
        while pending:
            path, is_directory = pending.pop()
            is_empty = is_empty and is_directory
            # What cannot be read hides nothing that is wrong with the rest.
            with self.problems.catching(), self._open(path, top) as fd:
                if is_directory:
                    with self._telling(path):
                        found = entries(fd)
                    pending += [(path / name, below) for name, below in reversed(found)]
                else:
                    self._file(fd, path)
        if is_empty and not self.may_be_empty and len(self.problems.errors) == errors_before:
            self.problems.add(
                "the directory has no policy: put *.yaml files there", _start(top.path)
            )

    def _file(self, fd: int, path: Path) -> None:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise PolicyError(irregular(found.st_mode), _start(path))
        if (found.st_dev, found.st_ino) in self._seen:
            return
        self._seen.add((found.st_dev, found.st_ino))
        with self._telling(path), open(fd, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
        self.take(content, str(path))

    def _telling(self, path: Path) -> AbstractContextManager[None]:
        return _telling(path, is_helpful=self.trust is None or not self.trust.is_shared)

    @contextmanager
    def _open(self, path: Path, top: Place | None = None) -> Iterator[int]:
        """Open *path*, by way of *top* if it lies there."""
        with self._telling(path):
            if self.trust is not None:
                fd = self.trust.open(path, top)
            elif top is not None:
                fd = os.open(path.relative_to(top.path), _READ, dir_fd=top.fd)
            else:
                fd = os.open(path, _READ)
        try:
            yield fd
        finally:
            os.close(fd)


@contextmanager
def _telling(path: Path, *, is_helpful: bool = True) -> Iterator[None]:
    """
    Give what goes wrong with *path* itself its place.

    *is_helpful*: look at what has that name, and what has a similar one. Another user can let the name lead elsewhere
    by now, and would be told what is there.
    """
    try:
        yield
    except OSError as error:
        if not is_helpful:
            msg = f"cannot read it: {error.strerror or error}"
            raise FileError(msg, _start(path)) from error
        # Unlike Path.is_dir it never raises, whatever was wrong with the path.
        is_directory = os.path.isdir(path)  # noqa: PTH112
        what = "list the directory" if is_directory else "read the file"
        msg = f"cannot {what}: {why_unreadable(path, error)}"
        raise FileError(msg, _start(path)) from error
    except ValueError as error:
        msg = f"not the name of a file: {error}"
        raise FileError(msg, _start(path)) from error


def _policies(content: str | bytes, file: str, context: Context) -> list[Policy]:
    source = read(content, file)
    context.problems.errors.extend(source.errors)
    context.problems.broken |= source.broken
    documents = [d for d in source.documents if not (isinstance(d, Scalar) and d.is_null)]
    if not documents and not source.errors:
        context.add("the file has no policy", Span(file, 1, 1))
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
