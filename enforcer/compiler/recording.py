# SPDX-License-Identifier: MIT
"""The image of a recording session: one row that permits everything, on the requested operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.compiler.atoms import Atoms
from enforcer.compiler.host import BareHost
from enforcer.compiler.image import assemble
from enforcer.compiler.lower import Row, RowFlag, RowInfo, RowKind
from enforcer.compiler.marks import Marks
from enforcer.compiler.paths import Names
from enforcer.compiler.subjects import EVERYBODY, LabelNumbers, Subjects
from enforcer.policy.language.vocabulary import EVENTS, Op, SubjectFlag
from enforcer.policy.model.policy import Mode, OnError, Verb
from enforcer.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.policy.language.syscall_table import Syscall

__all__ = ["RECORDED", "recording_image"]

_BESIDES: Final = {
    "exec": (Op.EXEC_CREDS, Op.EXEC_ARGV, Op.EXEC_LOADED, Op.EXEC_LAYER, Op.LOADED_LAYER),
    "file": (Op.GUARD, Op.OVERWRITE, Op.NAME_GUARD),
    "process": (Op.CAPABLE,),
    "mount": (Op.MOUNT_GUARD,),
}
"""What the kernel side also asks about, though no event means it by itself."""

RECORDED: Final[dict[str, frozenset[Op]]] = {
    name: frozenset((*event.everything, *_BESIDES.get(name, ()))) for name, event in EVENTS.items()
}
"""Operations to record, by event."""


def recording_image(ops: Iterable[Op], calls: Iterable[Syscall] = ()) -> bytes:
    """Make the image of a session that records *ops*, and *calls* at their entry."""
    named = tuple(calls)
    wanted = {*ops, Op.SYSCALL} if named else set(ops)
    span = Span("recording", 1, 1)
    info = RowInfo(
        policy="recording",
        rule="everything",
        span=span,
        verb=Verb.ALLOW,
        message=None,
        kind=RowKind.RULE,
        event="",
        mode=Mode.ENFORCE,
    )
    row = Row(
        ops=sum(1 << op for op in wanted),
        terms=(),
        flags_set=0,
        flags_clear=0,
        policy=0,
        subject=EVERYBODY,
        action=Verb.ALLOW,
        on_error=OnError.SKIP,
        error=1,  # no row is without; this one refuses nothing
        signal=0,
        flags=RowFlag.FAVOURS,
        info=info,
    )
    atoms = Atoms(Names(BareHost()))
    return assemble(
        [row],
        atoms,
        Subjects(atoms, LabelNumbers()),
        Marks({}, 0),
        calls=named,
        facts=SubjectFlag.TRUSTED_CODE,  # policies that it is replayed with may ask for it
        n_policies=1,
        generation=1,
        new_labels=frozenset(),
    ).image
