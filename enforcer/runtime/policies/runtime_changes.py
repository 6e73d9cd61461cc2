# SPDX-License-Identifier: MIT
"""
Changes of policies at run time, laid over the policy files.

They last until the daemon ends normally. Neither a crash of the daemon nor a reload undoes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.errors import ControlError
from enforcer.policy.model.policy import Mode, PolicySet
from enforcer.policy.store import load_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.policy.model.policy import Policy
    from enforcer.runtime.control.answers import OverlayDocument, RuntimeChange

__all__ = ["Overlay"]


@attrs.frozen
class Overlay:
    """
    What was changed at run time. Every method that changes returns a new one.

    Attributes:
        added: texts of policies by the name that places in them begin with.
        disabled: names of policies that are not active.
        modes: by name, modes that are set whatever the policy says.
    """

    added: dict[str, str] = attrs.field(factory=dict)
    disabled: frozenset[str] = frozenset()
    modes: dict[str, Mode] = attrs.field(factory=dict)

    def policies(self, files: PolicySet) -> PolicySet:
        """
        Return all policies with set modes, those that are disabled included: *files*, then added.

        Raises:
            PolicyErrors: an added text is wrong.
            ControlError: two policies have one name.
        """
        found = [*files.policies, *self._added()]
        _check_names(found)
        return PolicySet(
            tuple(
                attrs.evolve(p, mode=self.modes[p.name]) if p.name in self.modes else p
                for p in found
            )
        )

    def enabled(self, policies: PolicySet) -> PolicySet:
        """Leave out what is disabled."""
        return PolicySet(tuple(p for p in policies.policies if p.name not in self.disabled))

    def add(self, text: str, file: str) -> Overlay:
        """
        Add the policies of *text*, in place of what was added under the same *file*.

        Raises:
            PolicyErrors: the text is wrong.
        """
        load_text(text, file)
        return attrs.evolve(self, added={**self.added, file: text})

    def remove(self, name: str) -> Overlay:
        """
        Remove a policy that was added at run time, with those of the same text.

        Raises:
            ControlError: no policy of this name was added.
        """
        for file, text in self.added.items():
            names = [policy.name for policy in load_text(text, file).policies]
            if name in names:
                if len(names) > 1:
                    others = ", ".join(other for other in names if other != name)
                    raise ControlError(
                        f"policy {name!r} was added in one text with {others}: disable it, or add the "
                        f"text without it under the name {file}"
                    )
                rest = {key: value for key, value in self.added.items() if key != file}
                modes = {key: mode for key, mode in self.modes.items() if key != name}
                return Overlay(rest, self.disabled - {name}, modes)
        raise ControlError(
            f"policy {name!r} was not added at run time: remove it from its file and reload, or "
            f"disable it with: enforcer policy disable {name}"
        )

    def enable(self, name: str, *, enabled: bool) -> Overlay:
        """Switch *name* on or off."""
        changed = self.disabled - {name} if enabled else self.disabled | {name}
        return attrs.evolve(self, disabled=changed)

    def set_mode(self, name: str, mode: Mode) -> Overlay:
        """Give *name* the mode."""
        return attrs.evolve(self, modes={**self.modes, name: mode})

    def added_policies(self) -> tuple[Policy, ...]:
        """
        Return what was added.

        Raises:
            PolicyErrors: a text is wrong by now.
        """
        return tuple(self._added())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was changed."""
        return not (self.added or self.disabled or self.modes)

    def describe(self) -> Iterator[RuntimeChange]:
        """Yield what was changed, by policy."""
        for policy in self._added():
            yield {"policy": policy.name, "change": f"added ({policy.span})"}
        for name, mode in self.modes.items():
            yield {"policy": name, "change": f"mode {mode.value}"}
        for name in sorted(self.disabled):
            yield {"policy": name, "change": "disabled"}

    def as_dict(self) -> OverlayDocument:
        """Describe it in JSON."""
        return {
            "added": self.added,
            "disabled": sorted(self.disabled),
            "modes": {name: mode.value for name, mode in self.modes.items()},
        }

    @classmethod
    def from_dict(cls, found: OverlayDocument) -> Overlay:
        """
        Read what :meth:`as_dict` made.

        Raises:
            KeyError, ValueError: it is something else.
        """
        return cls(
            added=dict(found["added"]),
            disabled=frozenset(found["disabled"]),
            modes={name: Mode(mode) for name, mode in found["modes"].items()},
        )

    def _added(self) -> Iterable[Policy]:
        for file, text in self.added.items():
            yield from load_text(text, file).policies


def _check_names(policies: list[Policy]) -> None:
    first: dict[str, Policy] = {}
    for policy in policies:
        other = first.setdefault(policy.name, policy)
        if other is not policy:
            raise ControlError(
                f"policy {policy.name!r} exists already ({other.span}): give this one "
                f"({policy.span}) another name"
            )
