# SPDX-License-Identifier: MIT
"""
Policy files, each with a verdict of its own: what cannot be active keeps no other file out.

A file that is wrong, or has no room beside the others, stays as it was when it could be active last. If it
never could be, nothing of it is. Whatever was active has precedence over what is new: a new file can take
neither the names nor the room of others.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

from enforcer.compiler import limits
from enforcer.errors import EnforcerBug, EnforcerError, LimitError, PolicyError, PolicyErrors
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.store import read_texts
from enforcer.policy.text.digest import digest_of
from enforcer.runtime.policies.file_versions import Unit, fall_back_by_name, named, parts, units_of
from enforcer.runtime.policies.namespace_shares import SharesError
from enforcer.runtime.policies.refused_files import MAX_TOLD, Costly, RefusedFile, is_at, told
from enforcer.runtime.policies.search import first_too_much
from enforcer.runtime.policies.trials import bugs_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from enforcer.policy.model.policy import Policy
    from enforcer.policy.store import FileText
    from enforcer.runtime.policies.trials import Trials

__all__ = ["MAX_TOLD", "Chosen", "RefusedFile", "choose", "is_at", "told"]

_T = TypeVar("_T")

_OF_POLICIES: Final = (PolicyError, PolicyErrors, EnforcerBug)
"""What a policy can cause. Anything else is about the machine, and no file is to blame."""

MAX_SEARCHES: Final = 4
"""How often the first file that has no room is looked for; the last time, none behind it is tried."""


@attrs.frozen
class Chosen(Generic[_T]):
    """
    What is to be active.

    Attributes:
        policies: of all files.
        made: what came of them.
        refused: files that are not active as they stand.
        texts: what each file says that is active, by path.
    """

    policies: PolicySet
    made: _T
    refused: tuple[RefusedFile, ...]
    texts: dict[str, bytes]


def choose(
    found: Sequence[FileText],
    earlier: Mapping[str, bytes],
    taken: Mapping[str, str],
    *,
    make: Callable[[PolicySet], _T],
    check: Callable[[PolicySet], Mapping[str, int]],
    exceeding: Callable[[Iterable[Policy]], Iterable[PolicyError]] = lambda _: (),
    costly: Costly | None = None,
    trials: Trials | None = None,
) -> Chosen[_T]:
    """
    Find the newest version of each file with which all can be active.

    Args:
        found: what the files say now.
        earlier: what those said that were active last, by path.
        taken: names that no file may give a policy, with where they are from.
        make: compiles policies; what it returns is in the answer.
        check: compiles policies that need not be complete, and returns how much they take of limits, by their names.
        exceeding: says which of these policies have no room beside those in front of them.
        costly: texts that are known to be refused by themselves.
        trials: finds new files of namespaces that come to no end; None: none is looked for.

    Raises:
        EnforcerError: *make* fails even without a file.
    """
    costly = costly if costly is not None else Costly()
    choice = _Choice(units_of(found, earlier), taken, make, check, exceeding, costly, trials)
    made = choice.run()
    broken = [
        RefusedFile(
            each.path,
            any(is_at(unit.path, each.path) and unit.versions for unit in choice.units),
            tuple(map(str, each.errors)),
        )
        for each in found
        if each.content is None
    ]
    refused = [
        RefusedFile(
            unit.path,
            bool(unit.versions),
            tuple(map(str, unit.errors)),
            digest_of(unit.found) if unit.found is not None else None,
            unit.again_at,
        )
        for unit in choice.units
        if unit.errors
    ]
    return Chosen(
        policies=choice.policies(),
        made=made,
        refused=tuple(sorted((*broken, *refused), key=lambda each: each.path)),
        texts={unit.path: unit.versions[0] for unit in choice.units if unit.versions},
    )


@attrs.define(eq=False)
class _Choice(Generic[_T]):
    """Goes back from version to version until all can be active."""

    units: list[Unit]
    taken: Mapping[str, str]
    make: Callable[[PolicySet], _T]
    check: Callable[[PolicySet], Mapping[str, int]]
    exceeding: Callable[[Iterable[Policy]], Iterable[PolicyError]]
    costly: Costly
    trials: Trials | None
    _searches: int = 0
    _most: tuple[PolicySet, _T] | None = None

    def run(self) -> _T:
        """Compile what can be; each round that does not end it leaves one version less."""
        self._leave_costly()
        while True:
            if (
                self._is_read()
                and self._has_own_names()
                and self._keeps_quotas()
                and self._has_room()
                and self._comes_to_an_end()
            ):
                policies = self.policies()
                if self._most is not None and policies == self._most[0]:
                    return self._most[1]
                try:
                    with bugs_told():
                        return self.make(policies)
                except EnforcerError as error:
                    self._blame(error)

    def _leave_costly(self) -> None:
        """Let fall back, without a try, what was refused by itself a while ago, and took long for that."""
        for unit in self.units:
            if unit.is_as_before or not unit.versions:
                continue
            if known := self.costly.find(unit.path, unit.versions[0]):
                unit.fall_back(map(EnforcerError, known.errors))
                unit.again_at = known.again_at

    def policies(self) -> PolicySet:
        """All that is tried, by path: the order of messages does not depend on what is new."""
        return PolicySet(tuple(p for unit in self.units if unit.versions for p in unit.policies))

    def _tried(self) -> list[Unit]:
        """What is tried: what was active before has precedence, then files without policies of namespaces."""
        tried = [unit for unit in self.units if unit.versions]
        return sorted(
            tried,
            key=lambda unit: (not unit.is_as_before, unit.is_of_namespace),
        )

    def _is_read(self) -> bool:
        """Read all; what cannot be read falls back, and it is to be done again."""
        tried = self._tried()
        texts = ((unit.path, unit.versions[0]) for unit in tried)
        is_right = True
        for unit, read in zip(tried, read_texts(texts), strict=True):
            unit.policies = read.policies
            if read.errors:
                unit.fall_back(read.errors)
                is_right = False
        return is_right

    def _has_own_names(self) -> bool:
        """Let each name belong to who had it, else to the first; who has none of its own falls back."""
        is_right = True
        while loser := self._first_with_foreign_names():
            unit, errors = loser
            unit.fall_back(errors)
            is_right = False
        return is_right

    def _first_with_foreign_names(self) -> tuple[Unit, list[PolicyError]] | None:
        tried = self._tried()
        owners: dict[str, tuple[Unit, Policy]] = {}
        for unit in tried:
            for policy in unit.policies:
                owner, _ = owners.setdefault(policy.name, (unit, policy))
                if policy.name in unit.had and policy.name not in owner.had:
                    owners[policy.name] = (unit, policy)
        for unit in tried:
            errors = []
            for policy in unit.policies:
                owner, owned = owners[policy.name]
                place = self.taken.get(policy.name) or (owner is not unit and str(owned.span))
                if place:
                    text = f"policy {policy.name!r} has its name from {place}"
                    errors.append(PolicyError(text, policy.span))
            if errors:
                return unit, errors
        return None

    def _keeps_quotas(self) -> bool:
        """Let fall back what exceeds a quota: what was active before has its room first."""
        tried = self._tried()
        errors = PolicyErrors(self.exceeding(p for unit in tried for p in unit.policies))
        return not (errors.errors and fall_back_by_name(tried, errors))

    def _has_room(self) -> bool:
        """
        Let fall back what is too much whatever it says: to compile thousands one by one takes minutes.

        Policies without a namespace have their room before all others.
        """
        n_policies, is_right = 0, True
        for unit in sorted(self._tried(), key=lambda unit: unit.is_of_namespace):
            more = n_policies + len(unit.policies)
            try:
                limits.check("ENF_MAX_POLICIES", more, "policies", unit.place)
            except LimitError as error:
                unit.fall_back([error])
                is_right = False
            else:
                n_policies = more
        return is_right

    def _comes_to_an_end(self) -> bool:
        """Let fall back what is new, of a namespace, and found to come to no end by itself."""
        if self.trials is None:
            return True
        is_right = True
        for unit in self._tried():
            if unit.is_as_before or unit.is_tried or not unit.is_of_namespace:
                continue
            unit.is_tried = True
            if found := self.trials.problem(PolicySet(unit.policies)):
                unit.fall_back([PolicyError(found.why, unit.place)])
                unit.again_at = found.again_at
                is_right = False
        return is_right

    def _blame(self, error: EnforcerError) -> None:
        """
        Let what caused *error* fall back.

        Raises:
            EnforcerError: no file did.
        """
        if not isinstance(error, _OF_POLICIES):
            raise error
        tried = self._tried()
        new = [unit for unit in tried if not unit.is_as_before]
        if isinstance(error, SharesError):
            # A file that is too much by itself takes no room of others.
            if not self._fail_alone(named(new, error)) and not fall_back_by_name(tried, error):
                raise error
            return
        # The compiler stops at its first error; a hundred files that are wrong are no hundred rounds.
        if self._fail_alone(new) or fall_back_by_name(new, error):
            return
        old = [unit for unit in tried if unit.is_as_before]
        cause = self._problem(_together(old, new, 0)) if new else error
        if cause is None:
            self._fall_back_by_search(old, new, error)
        elif not fall_back_by_name(old, cause):
            # What was active once has no room any more: by path, until it is too much.
            for unit in old:
                unit.before = ()
            self._fall_back_by_search([], old, cause)

    def _fail_alone(self, new: list[Unit]) -> bool:
        """Let fall back what cannot be compiled by itself; tell whether any did."""
        failed = False
        for unit in new:
            if unit.needs is not None:
                continue
            unit.needs = {}
            began = self.costly.work()
            try:
                with bugs_told():
                    unit.needs = self.check(PolicySet(unit.policies))
            except _OF_POLICIES as error:
                unit.again_at, why = self.costly.again_at(began)
                unit.fall_back((*parts(error), *([EnforcerError(why)] if why else ())))
                failed = True
        return failed

    def _fall_back_by_search(self, old: list[Unit], new: list[Unit], error: EnforcerError) -> None:
        """Find how many of *new* can be active, and let fall back the first that cannot; so again, with what is left."""
        if not new:
            raise error
        old, new = [*old], [*new]

        def problem(number: int) -> EnforcerError | None:
            return self._problem(_together(old, new, number))

        found: EnforcerError | None
        fits, found = first_too_much(len(new), error, problem, _guess(new, error))
        while found is not None:
            self._searches += 1
            failed = new[fits:] if self._searches >= MAX_SEARCHES else new[fits : fits + 1]
            del new[fits : fits + len(failed)]
            for unit in failed:
                unit.fall_back([found])
            old += [unit for unit in failed if unit.versions]
            # Where one more is too much, all are: what is behind it is not compiled to learn that.
            found = problem(fits + 1) if fits < len(new) else None

    def _problem(self, policies: PolicySet) -> EnforcerError | None:
        """Compile *policies*, unless they were the most that could be: a search ends with what is made then."""
        if self._most is not None and policies == self._most[0]:
            return None
        try:
            with bugs_told():
                made = self.make(policies)
        except _OF_POLICIES as error:
            return error
        if self._most is None or len(policies.policies) >= len(self._most[0].policies):
            self._most = policies, made
        return None


def _guess(new: list[Unit], error: EnforcerError) -> int | None:
    """Return how many of *new* have room together, if each takes what it takes by itself and the others take nothing."""
    if not isinstance(error, LimitError) or error.limit not in limits.LIMITS:
        return None
    most = limits.LIMITS[error.limit]
    needs = list(accumulate((unit.needs or {}).get(error.limit, 0) for unit in new))
    return sum(need <= most for need in needs) if any(needs) else None


def _together(old: list[Unit], new: list[Unit], number: int) -> PolicySet:
    """Return what is active if only the first *number* of *new* become so, and the others stay as they were."""
    now = (p for unit in (*old, *new[:number]) for p in unit.policies)
    before = (p for unit in new[number:] for p in unit.before)
    # A policy that moves to another file is in both for a moment.
    first: dict[str, Policy] = {}
    for policy in (*now, *before):
        first.setdefault(policy.name, policy)
    return PolicySet(tuple(first.values()))
