# SPDX-License-Identifier: MIT
"""Processes that do what they are told (``storm.c``), with what they have become."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import attrs
from hostnames import View
from reference.semantics import Actor, Identity

__all__ = ["Agent", "State", "forget", "intern"]


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
class Agent:
    """
    A process with what the model knows of it; with the states of the processes that wait for its end.

    *orders*: where it reads what to do.
    """

    name: str
    process: subprocess.Popen[bytes]
    orders: io.FileIO
    state: State
    waiting: list[State] = attrs.field(factory=list)

    @classmethod
    def start(cls, program: Path, name: str, host: View) -> Agent:
        """Start *program*, as a child of this process."""
        argv = [str(program), "agent"]
        # One read takes one line, of a pipe that is a sequence of packets.
        reading, writing = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        process = subprocess.Popen(argv, stdin=reading, stdout=subprocess.PIPE)
        os.close(reading)
        own = Path("/proc/self/cgroup").read_text().strip().partition("::")[2]
        me = Identity(exe=os.fsencode(os.path.realpath(sys.executable)), cgroup=own.encode())
        actor = Actor(now=me).fork().exec(attrs.evolve(me, exe=bytes(program)))
        return cls(name, process, io.FileIO(writing, "wb"), State(intern(actor), host))

    def do(self, *words: object, times: int = 1) -> tuple[int, int]:
        """How often it could do that, and the error of the last time that it could not."""
        assert self.process.stdout is not None
        line = " ".join(map(str, (times, *words)))
        self.orders.write(os.fsencode(line) + b"\n")
        answer = self.process.stdout.readline().split()
        assert len(answer) == 2, f"{self.name} has ended at {line!r}"
        return int(answer[0]), int(answer[1])

    def must(self, *words: object) -> None:
        """Do what nothing forbids."""
        assert (1, 0) == self.do(*words), (self.name, words)

    def pid(self) -> int:
        """The process that acts now."""
        return self.do("who")[1]

    def become(self, now: Identity) -> None:
        """Note that it is somebody else."""
        self.state = attrs.evolve(self.state, actor=intern(attrs.evolve(self.state.actor, now=now)))

    def end(self) -> None:
        """End it, and all that wait for it."""
        assert self.process.stdout is not None
        self.orders.close()
        self.process.wait(60)
        self.process.stdout.close()


_actors: dict[Actor, Actor] = {}


def intern(actor: Actor) -> Actor:
    """The same actor for equal ones, without ancestors that are there twice: no rule counts them."""
    actor = attrs.evolve(actor, ancestors=tuple(dict.fromkeys(actor.ancestors)))
    return _actors.setdefault(actor, actor)


def forget(agents: Iterable[Agent]) -> None:
    """Know no actors but those that *agents* are, or go back to."""
    _actors.clear()
    for agent in agents:
        states = (agent.state, *agent.waiting)
        agent.state, *agent.waiting = (
            attrs.evolve(state, actor=intern(state.actor)) for state in states
        )
