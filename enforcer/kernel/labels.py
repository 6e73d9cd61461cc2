# SPDX-License-Identifier: MIT
"""Labels for processes that are there already: run an iterator until nothing changes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol

from enforcer.errors import KernelError
from enforcer.kernel.programs import LABEL_TASKS

if TYPE_CHECKING:
    from enforcer.libbpf.handles import BpfObject

__all__ = ["TaskIterator", "label_all", "label_tasks"]

MAX_ROUNDS: Final = 1024
"""Each round carries labels at least one generation down; process trees are not deeper."""


class TaskIterator(Protocol):
    """A link to the iterator program."""

    def read_iterator(self) -> bytes:
        """Run it once over all tasks and return what it printed."""


def label_all(engine: BpfObject) -> None:
    """
    Label the processes that are there, by the loaded object *engine*.

    Raises:
        KernelError: as :func:`label_tasks`.
    """
    with contextlib.closing(engine.programs[LABEL_TASKS].attach()) as iterator:
        label_tasks(iterator)


def label_tasks(iterator: TaskIterator) -> int:
    """
    Run *iterator* until it changes nothing; return how many rounds that took.

    Raises:
        KernelError: if it does not settle, or prints anything but a count.
    """
    for round_ in range(1, MAX_ROUNDS + 1):
        printed = iterator.read_iterator()
        try:
            changed = int(printed)
        except ValueError:
            raise KernelError(
                f"cannot label the running processes: the iterator printed {printed[:80]!r} "
                "instead of a count"
            ) from None
        if not changed:
            return round_
    raise KernelError(
        f"cannot label the running processes: their labels did not settle in {MAX_ROUNDS} rounds; "
        "start again when fewer processes come and go"
    )
