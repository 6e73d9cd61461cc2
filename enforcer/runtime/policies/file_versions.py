# SPDX-License-Identifier: MIT
"""Policy files with their versions that may be active, and how each goes back from one to the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.errors import EnforcerError, LimitError, PolicyError, PolicyErrors
from enforcer.policy.store import read_texts
from enforcer.runtime.policies.refused_files import is_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enforcer.policy.model.policy import Policy
    from enforcer.policy.store import FileText
    from enforcer.span import Span

__all__ = ["Unit", "fall_back_by_name", "named", "parts", "units_of"]


@attrs.define(eq=False)
class Unit:
    """
    A file with the versions of it that may still be active, the newest first.

    *found*: what it says, if that can be read; *earlier*: what it said when it was active last, and *before*, the policies of that if it says something
    else now; *errors*: of the versions that cannot be active; *policies*: of the version that is tried;
    *again_at*: before that, *found* is not tried again; *needs*: what is tried takes so much of each limit, compiled by itself; None: that is not known,
    and *is_tried*: to compile it comes to an end.
    """

    path: str
    versions: list[bytes]
    found: bytes | None
    earlier: bytes | None
    before: tuple[Policy, ...] = ()
    errors: list[EnforcerError] = attrs.field(factory=list)
    policies: tuple[Policy, ...] = ()
    again_at: float = 0.0
    needs: Mapping[str, int] | None = None
    is_tried: bool = False

    @property
    def is_as_before(self) -> bool:
        """Whether what is tried was active before."""
        return bool(self.versions) and self.versions[0] == self.earlier

    @property
    def had(self) -> frozenset[str]:
        """Names of its policies when it was active last."""
        return frozenset(p.name for p in (self.policies if self.is_as_before else self.before))

    @property
    def is_of_namespace(self) -> bool:
        """Whether a policy of a namespace is among what is tried."""
        return any(policy.namespace for policy in self.policies)

    @property
    def place(self) -> Span | None:
        """Where its first policy is."""
        return self.policies[0].span if self.policies else None

    def fall_back(self, errors: Iterable[EnforcerError]) -> None:
        """Try the version before, since this one has *errors*."""
        self.errors += errors
        self.versions.pop(0)
        self.needs = None
        self.policies = self.before if self.versions else ()


def units_of(found: Sequence[FileText], earlier: Mapping[str, bytes]) -> list[Unit]:
    """Put together what each file says and said; a file that is gone is none, but one that is hidden."""
    units: dict[str, Unit] = {}
    for each in found:
        if each.content is not None:
            before = earlier.get(each.path)
            versions = [each.content]
            if before is not None and before != each.content:
                versions.append(before)
            units[each.path] = Unit(each.path, versions, each.content, before)
    hidden = [each.path for each in found if each.content is None]
    for path, text in earlier.items():
        if path not in units and any(is_at(path, place) for place in hidden):
            units[path] = Unit(path, [text], None, text)
    changed = {path: earlier[path] for path, unit in units.items() if len(unit.versions) > 1}
    for read in read_texts(changed.items()):
        units[read.path].before = read.policies
    return [units[path] for path in sorted(units)]


def fall_back_by_name(units: list[Unit], error: EnforcerError) -> bool:
    """Let fall back those of *units* that *error* names, unless it is about what all have in common."""
    by_file = _by_file(error)
    found = named(units, error)
    for unit in found:
        unit.fall_back(by_file[unit.path])
    return bool(found)


def named(units: Iterable[Unit], error: EnforcerError) -> list[Unit]:
    """Return those of *units* that :func:`fall_back_by_name` would let fall back."""
    by_file = _by_file(error)
    return [unit for unit in units if unit.path in by_file]


def _by_file(error: EnforcerError) -> dict[str, list[EnforcerError]]:
    found: dict[str, list[EnforcerError]] = {}
    for part in parts(error):
        if isinstance(part, PolicyError) and not isinstance(part, LimitError) and part.span:
            found.setdefault(part.span.file, []).append(part)
    return found


def parts(error: EnforcerError) -> tuple[EnforcerError, ...]:
    """Return the single errors of *error*."""
    return error.errors if isinstance(error, PolicyErrors) else (error,)
