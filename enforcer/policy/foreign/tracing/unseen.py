# SPDX-License-Identifier: MIT
"""
What a hook declares only to see it, and what a hook means more widely here: remarks for the author.

In Tetragon, each argument that is declared is in the event. Here a record has the operands of its operation,
or of a point those that some rule compares.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from enforcer.policy.foreign.tracing.filters import Argument
from enforcer.policy.foreign.tracing.operands import Object
from enforcer.policy.foreign.tracing.targets import Target
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.context import Context
from enforcer.span import Span

__all__ = ["Compared", "note_missed", "note_opened", "note_result", "note_unseen"]

_NO_OUTPUT = "nop"
_PURPOSE = {"read": "reading", "write": "writing"}


@attrs.define(eq=False, repr=False)
class Compared:
    """Where the selectors of a hook are decided, and which arguments they compare."""

    targets: list[Target] = attrs.field(factory=list)
    arguments: list[Argument] = attrs.field(factory=list)

    def has(self, argument: Argument) -> bool:
        """Tell whether some selector compares *argument*."""
        return any(
            (a.index, a.resolve) == (argument.index, argument.resolve) for a in self.arguments
        )


def note_unseen(
    declared: Sequence[Argument], compared: Compared, shift: int, context: Context
) -> None:
    """Note which of the arguments are in no record; *shift* leads from their index to that of the call."""
    unseen = [
        argument
        for argument in declared
        if argument.type != _NO_OUTPUT
        and not compared.has(argument)
        and any(_lacks(target, argument, shift) for target in compared.targets)
    ]
    if not unseen:
        return
    listed = ", ".join(".".join((str(a.index), *a.resolve)) for a in unseen)
    several = len(unseen) > 1
    context.note(
        f"argument{'s' if several else ''} {listed} {'are' if several else 'is'} in no record: a record "
        "has what its operation has, and what a selector compares",
        unseen[0].span,
    )


def note_result(result: Argument, compared: Compared, span: Span, context: Context) -> None:
    """Note that *result*, what a function returns, declared at *span*, is in no record."""
    if compared.targets and not compared.has(result):
        context.note(
            "what the function returns is in no record: a selector with matchReturnArgs compares it",
            span,
        )


def note_opened(
    target: Target, operations: Sequence[str], verb: Verb, span: Span, context: Context
) -> None:
    """Note of the selector at *span* that it is decided where the file is opened, used or not."""
    wide = [word for word in operations if word in target.hook.opened]
    if not wide:
        return
    purposes = " or ".join(_PURPOSE[word] for word in wide)
    context.note(
        f"{target.name} is decided when the file is opened: this matches every opening for "
        f"{purposes}, also without a mapping",
        span,
        matters=verb >= Verb.DENY,
    )


def note_missed(target: Target, object_: Object, verb: Verb, span: Span, context: Context) -> None:
    """Note of the selector at *span* what the hook is called for and is not decided here."""
    said = [target.hook.missed] if target.hook.missed else []
    if object_.undecided:
        kinds = " and ".join(object_.undecided)
        said.append(f"this is decided for modules, firmware and kexec, and not for {kinds}")
    # A file that is named is none of what has no file; all but that one may mean it.
    if any(condition.negate for condition in object_.conditions):
        said += (
            f"memory without a file is not decided on: {hook.event}: {hook.operations[0]} does that"
            for word, hook in target.hook.without_file.items()
            if word in object_.operations
        )
    for each in said:
        context.note(f"{target.name}: {each}", span, matters=verb >= Verb.DENY)


def _lacks(target: Target, argument: Argument, shift: int) -> bool:
    """Tell whether records of *target* do not have *argument*."""
    hook = target.hook
    return (
        hook.point is not None or bool(argument.resolve) or argument.index - shift not in hook.args
    )
