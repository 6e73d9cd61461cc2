# SPDX-License-Identifier: MIT
"""``matchActions`` to the action of a rule."""

from __future__ import annotations

import errno
import signal

import attrs

from enforcer.policy.foreign.tracing.filters import items
from enforcer.policy.foreign.tracing.keys import ACTION_KEYS, ACTION_REFUSED, ACTIONS
from enforcer.policy.foreign.tracing.numbers import number
from enforcer.policy.language.symbols import SIGNALS
from enforcer.policy.model.policy import Action, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, Map, Scalar, describe
from enforcer.span import Span

__all__ = ["Decided", "read_actions"]

_TOLD_FALSE = ("kernelStackTrace", "userStackTrace", "imaHash")


@attrs.frozen
class Decided:
    """
    What a selector does.

    *notified*: where it asks the enforcers to do it, which must then be at the call.
    *overrides*: where it promises that the call has no effect.
    """

    action: Action
    notified: Span | None = None
    overrides: Span | None = None


@attrs.define
class _Wanted:
    """What the actions of one selector ask for together."""

    errno: int | None = None
    signal: int | None = None
    posts: bool = True
    notified: Span | None = None
    overrides: Span | None = None


def read_actions(entry: Entry | None, context: Context) -> Decided | None:
    """Read the actions; Post if there are none, None after an error."""
    before = len(context.problems.errors)
    wanted = _Wanted()
    seen: set[str] = set()
    for node in items(entry, context) if entry else ():
        word = _word(node, context)
        if word is None:
            continue
        if word in seen:
            context.add(f"action {word} is given twice", node.span)
        seen.add(word)
        _check_keys(word, node, context)
        _want(word, node, wanted, context)
    if {"Post", "NoPost"} <= seen and entry is not None:
        context.add("Post and NoPost contradict each other: leave one out", entry.span)
    if len(context.problems.errors) > before:
        return None
    return Decided(_action(wanted), wanted.notified, wanted.overrides)


def _action(wanted: _Wanted) -> Action:
    if wanted.signal is not None:
        plain = Action(Verb.KILL, signal=wanted.signal)
    elif wanted.errno is not None:
        plain = Action(Verb.DENY)
    else:
        return Action(Verb.LOG if wanted.posts else Verb.ALLOW)
    return plain if wanted.errno is None else attrs.evolve(plain, errno=wanted.errno)


def _word(node: Map, context: Context) -> str | None:
    entry = node.get("action")
    if entry is None:
        context.add("an item of matchActions needs an action", node.span)
        return None
    word = entry.value.text if isinstance(entry.value, Scalar) else ""
    if word in ACTION_REFUSED and word[:1].isupper():
        context.add(
            f"action {word} is not supported by this version: {ACTION_REFUSED[word]}",
            entry.value.span,
        )
        return None
    return context.word(entry.value, "action", ACTIONS)


def _check_keys(word: str, node: Map, context: Context) -> None:
    refuse_unknown(node, f"key of {word}", ("action", *ACTION_KEYS[word]), ACTION_REFUSED, context)
    for key in _TOLD_FALSE:
        given = node.get(key) if key in ACTION_KEYS[word] else None
        if given is not None and context.boolean(given.value, key):
            context.unknown(given, f"key of {word}", (), ACTION_REFUSED)


def _want(word: str, node: Map, wanted: _Wanted, context: Context) -> None:
    if word == "NoPost":
        wanted.posts = False
    elif word == "Sigkill":
        _put_signal(signal.SIGKILL, node.span, wanted, context)
    elif word == "Signal":
        entry = node.get("argSig")
        if entry is None:
            context.add("Signal needs argSig, the number of the signal", node.span)
        else:
            _put_signal(_signal(entry, context), entry.span, wanted, context)
    elif word == "Override":
        entry = node.get("argError")
        if entry is None:
            context.add("Override needs argError, such as -1 for EPERM", node.span)
        else:
            _put_errno(_errno(entry, context), entry.span, wanted, context)
    elif word == "NotifyEnforcer":
        _notify(node, wanted, context)


def _notify(node: Map, wanted: _Wanted, context: Context) -> None:
    error, number_ = node.get("argError"), node.get("argSig")
    wanted.notified = node.span
    if error is None and number_ is None:
        context.add("NotifyEnforcer does nothing without argError or argSig: give one", node.span)
    if error is not None:
        _put_errno(_errno(error, context), error.span, wanted, context)
    if number_ is not None:
        _put_signal(_signal(number_, context), number_.span, wanted, context)


def _put_signal(given: int | None, span: Span, wanted: _Wanted, context: Context) -> None:
    if given is not None and wanted.signal not in (None, given):
        context.add("the process gets one signal: leave the other out", span)
    wanted.signal = given if given is not None else wanted.signal


def _put_errno(given: int | None, span: Span, wanted: _Wanted, context: Context) -> None:
    if given is not None and wanted.errno not in (None, given):
        context.add("the call returns one error: leave the other out", span)
    wanted.errno = given if given is not None else wanted.errno
    wanted.overrides = span


def _errno(entry: Entry, context: Context) -> int | None:
    found: list[int] = []
    with context.problems.catching():
        found.append(number(entry.value))
    if not found:
        return None
    if -found[0] in errno.errorcode:
        return -found[0]
    meant = f"; did you mean -{found[0]}?" if found[0] in errno.errorcode else ""
    context.add(
        "argError must be the negative number of an error, such as -1 for EPERM, not "
        f"{describe(entry.value)} (a call that is overridden cannot succeed){meant}",
        entry.value.span,
    )
    return None


def _signal(entry: Entry, context: Context) -> int | None:
    found: list[int] = []
    with context.problems.catching():
        found.append(number(entry.value))
    if not found:
        return None
    if found[0] in SIGNALS.values():
        return found[0]
    context.add(
        "argSig must be the number of a signal that ends or stops a process, such as 9, not "
        f"{describe(entry.value)}",
        entry.value.span,
    )
    return None
