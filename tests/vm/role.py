# SPDX-License-Identifier: MIT
"""What the model knows of who acts in a storm, and what he is written to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
from hostnames import View
from reference.semantics import Actor, Identity

__all__ = ["Role", "State", "forget", "intern"]


@attrs.frozen
class State:
    """
    What an agent is at one moment.

    *prefix*: where its root is. *is_kept*: an exec has taken the saved ids, by which it would find back.
    """

    actor: Actor
    view: View
    prefix: str = ""
    is_kept: bool = False


@attrs.define(eq=False)
class Role:
    """
    The agent *number* of a script, with the states of the processes that wait for its end.

    *write*: takes the lines of the script (``script.py``).
    """

    number: int
    program: Path
    write: Callable[[str], object]
    state: State
    waiting: list[State] = attrs.field(factory=list)

    @classmethod
    def of(cls, number: int, program: Path, write: Callable[[str], object], host: View) -> Role:
        """Who has just been started as *program*."""
        # No rule of a storm asks for the cgroup in which it begins.
        me = Identity(exe=os.fsencode(os.path.realpath(sys.executable)), cgroup=b"/")
        actor = Actor(now=me).fork().exec(attrs.evolve(me, exe=bytes(program)))
        return cls(number, program, write, State(intern(actor), host))

    def expect(self, *words: object, times: int = 1, error: int = 0) -> None:
        """Do that *times*, and see each time that it can be done, or the *error*."""
        done = 0 if error else times
        self.write(" ".join(map(str, (self.number, done, error, times, *words))))

    def become(self, now: Identity) -> None:
        """Note that it is somebody else."""
        self.state = attrs.evolve(self.state, actor=intern(attrs.evolve(self.state.actor, now=now)))

    def __str__(self) -> str:
        actor = self.state.actor
        return f"{self.number}: {self.program.name}, {actor.now}, parent {actor.parent}, root {self.state.prefix or '/'}"


_actors: dict[Actor, Actor] = {}


def intern(actor: Actor) -> Actor:
    """The same actor for equal ones, without ancestors that are there twice: no rule counts them."""
    actor = attrs.evolve(actor, ancestors=tuple(dict.fromkeys(actor.ancestors)))
    return _actors.setdefault(actor, actor)


def forget(roles: Iterable[Role]) -> None:
    """Know no actors but those that *roles* are, or go back to."""
    _actors.clear()
    for role in roles:
        states = (role.state, *role.waiting)
        role.state, *role.waiting = (
            attrs.evolve(state, actor=intern(state.actor)) for state in states
        )
