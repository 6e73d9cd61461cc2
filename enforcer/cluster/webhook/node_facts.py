# SPDX-License-Identifier: MIT
"""
What a policy asks of the machine that it is read on: its users, and the functions of its kernel.

Nodes differ in that, and the webhook runs on one of them. So what only this machine does not have refuses
nothing here: it is remembered, for a warning. The nodes decide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from enforcer.policy.kernel_types.operand_path import PointError, local_types
from enforcer.policy.language.symbols import SystemResolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.policy.kernel_types.operand_path import Signature, Types, Way
    from enforcer.policy.language.symbols import Machine, Resolver
    from enforcer.policy.model.points import Point

__all__ = ["AskedTypes", "AskedUsers"]

_T = TypeVar("_T")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?", re.ASCII)
"""What useradd(8) takes as a name. Anything else is no user anywhere."""

_STAND_IN: Final = 3_000_000_000
"""Numbers from here on stand for users that this machine has not; each name gets one of its own."""


@attrs.define(eq=False, repr=False)
class AskedUsers:
    """
    Users and groups of this machine, and others that some node may have.

    Attributes:
        unknown: names that this machine does not have.
    """

    own: Resolver = attrs.field(factory=SystemResolver)
    unknown: dict[str, int] = attrs.field(factory=dict)

    @property
    def machine(self) -> Machine | None:
        """What kind of machine this is."""
        return self.own.machine

    def user(self, name: str) -> int | None:
        """Return the number of a user; None: it is no name of one."""
        return self._known(name, self.own.user(name))

    def group(self, name: str) -> int | None:
        """Return the number of a group; None: it is no name of one."""
        return self._known(name, self.own.group(name))

    def _known(self, name: str, found: int | None) -> int | None:
        if found is not None or not _NAME.fullmatch(name):
            return found
        return self.unknown.setdefault(name, _STAND_IN + len(self.unknown))


@attrs.define(eq=False, repr=False)
class AskedTypes:
    """
    The functions of this machine's kernel, and what of them was asked for and is not there.

    Attributes:
        own: what this kernel says.
        missing: sentences, as the reader and the compiler have them in their errors.
        is_silent: this kernel does not say what was asked.
    """

    own: Callable[[], Types] = local_types
    missing: set[str] = attrs.field(factory=set)
    is_silent: bool = False

    def signature(self, point: Point) -> Signature | None:
        """Return the parameters of the function; None if they are not known."""
        return self._asked(lambda: self.own().signature(point))

    def are_alike(self, one: Point, other: Point) -> bool:
        """Tell whether two functions certainly have the same parameters."""
        return self.own().are_alike(one, other)

    def way(
        self, point: Point, index: int | str, members: tuple[str, ...], *, whole: bool = False
    ) -> Way | None:
        """Find an operand; None if nothing is known."""
        return self._asked(lambda: self.own().way(point, index, members, whole=whole))

    def _asked(self, ask: Callable[[], _T | None]) -> _T | None:
        try:
            found = ask()
        except PointError as error:
            self.missing.add(str(error))
            raise
        self.is_silent |= found is None
        return found

    def is_cause(self, message: str) -> bool:
        """Whether an error of this *message*, of a rule at a point, may be this kernel's alone."""
        return message in self.missing or self.is_silent
