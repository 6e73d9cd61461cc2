# SPDX-License-Identifier: MIT
"""
Selectors of a hook to rules, in their order: the first that matches decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from enforcer.policy.foreign.tracing.actions import Decided, read_actions
from enforcer.policy.foreign.tracing.filters import (
    Argument,
    Filter,
    items,
    read_argument,
    read_arguments,
    read_filter,
)
from enforcer.policy.foreign.tracing.hooks import at
from enforcer.policy.foreign.tracing.keys import (
    FILTERS,
    HOOK_KEYS,
    RESULT_ACTIONS,
    SELECTOR_KEYS,
    SELECTOR_REFUSED,
)
from enforcer.policy.foreign.tracing.lists import Lists
from enforcer.policy.foreign.tracing.operands import Object, is_compared, read_object
from enforcer.policy.foreign.tracing.points import best_point, returned
from enforcer.policy.foreign.tracing.subjects import Datum, read_data, read_subject
from enforcer.policy.foreign.tracing.targets import (
    Target,
    Targets,
    calls_of,
    read_targets,
    targets_of_calls,
)
from enforcer.policy.foreign.tracing.unseen import (
    Compared,
    note_missed,
    note_opened,
    note_result,
    note_unseen,
)
from enforcer.policy.foreign.wording import plain_message, read_tags, tag_of
from enforcer.policy.language.vocabulary import EVENTS
from enforcer.policy.model.points import RETURNS, PointKind
from enforcer.policy.model.policy import OnError, Rule, Subject, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.readers.point_arguments import at_point
from enforcer.policy.readers.points import POINT
from enforcer.policy.readers.syscalls import CALL, named
from enforcer.policy.text.nodes import Entry, Map, Scalar, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["Block", "Spec", "read_hook", "read_macros"]

Macros = dict[str, Map]
_NO_END = (PointKind.TRACEPOINT, PointKind.RAW)


@attrs.frozen
class Spec:
    """What hooks refer to by name. *enforced*: calls of enforcers, None without them."""

    lists: Lists
    macros: Macros
    enforced: frozenset[str] | None


@attrs.frozen
class Block:
    """
    The rules of one hook.

    *overrides*: some selector promises that a call has no effect. *notifies*: one asks the enforcers.
    """

    rules: tuple[Rule, ...]
    overrides: bool = False
    notifies: bool = False


@attrs.frozen
class _Item:
    """A hook being read."""

    name: str
    targets: Targets
    declared: tuple[Argument, ...]
    returned: Argument
    data: tuple[Datum, ...]
    message: str | None
    tags: tuple[str, ...]
    spec: Spec
    context: Context
    is_tracepoint: bool
    compared: Compared = attrs.field(factory=Compared)


@attrs.frozen
class _Selector:
    """One selector. *filters* are its own and those of its macros."""

    name: str
    span: Span
    filters: dict[str, Entry]
    actions: Entry | None = None
    label: str | None = None


def read_macros(entry: Entry | None, context: Context) -> Macros:
    """Read ``selectorsMacros``."""
    found: Macros = {}
    for macro in (context.map(entry.value, entry.key) if entry else None) or ():
        node = context.map(macro.value, f"macro {macro.key}")
        if node is not None:
            keys = (*FILTERS, "matchActions")
            refuse_unknown(node, "key of a macro", keys, SELECTOR_REFUSED, context)
            found[macro.key] = node
    return found


def read_hook(key: str, node: Map, number: int, spec: Spec, context: Context) -> Block:
    """Read item *number* of *key*."""
    refuse_unknown(node, f"key of {key}", HOOK_KEYS[key], {}, context)
    _check_rest(node, context)
    targets = read_targets(key, node, spec.lists, context)
    result = node.get("returnArg")
    what = context.map(result.value, "returnArg") if result else None
    result_type = read_argument(what, context) if what is not None else None
    declared = read_arguments(node.get("args"), context)
    message, tags = node.get("message"), node.get("tags")
    item = _Item(
        name=f"{key}.{number}",
        targets=targets or Targets(),
        declared=declared,
        returned=returned(result_type or Argument(0, "auto", node.span)),
        data=read_data(node.get("data"), context),
        message=plain_message(message, context) if message else None,
        tags=read_tags(tags, context) if tags else (),
        spec=spec,
        context=context,
        is_tracepoint=key == "tracepoints",
    )
    rules: list[Rule] = []
    overrides = notifies = False
    for selector in _selectors(node, item):
        decided = read_actions(selector.actions, context)
        if decided is not None:
            overrides = overrides or decided.overrides is not None
            notifies = notifies or decided.notified is not None
            if item.is_tracepoint and decided.overrides and decided.notified is None:
                context.add(
                    "Override does not work at tracepoints: hook the system call with kprobes",
                    decided.overrides,
                )
        rules += _rules(selector, decided, item)
    note_unseen(declared, item.compared, item.targets.shift, context)
    if result is not None:
        note_result(item.returned, item.compared, result.span, context)
    return Block(tuple(_without_repeated(rules)), overrides, notifies)


def _check_rest(node: Map, context: Context) -> None:
    """Check what says something about records of results, and about calls that a kernel has not."""
    for key in ("return",):
        if given := node.get(key):
            context.boolean(given.value, key)
    if given := node.get("returnArgAction"):
        word = context.word(given.value, "returnArgAction", ("Post", *RESULT_ACTIONS))
        if word in RESULT_ACTIONS:
            context.add(f"{word} is not supported: {RESULT_ACTIONS[word]}", given.value.span)
    ignore = node.get("ignore")
    ignored = context.map(ignore.value, "ignore") if ignore else None
    if ignored is not None:
        refuse_unknown(ignored, "key of ignore", ("callNotFound",), {}, context)
        if given := ignored.get("callNotFound"):
            context.boolean(given.value, "callNotFound")


# ---- Selectors --------------------------------------------------------------------------------


def _selectors(node: Map, item: _Item) -> Iterator[_Selector]:
    entry = node.get("selectors")
    found = items(entry, item.context) if entry else []
    if not found and not (entry and isinstance(entry.value, Map)):
        yield _Selector(item.name, node.span, {})
    for number, selector in enumerate(found, start=1):
        yield _selector(f"{item.name}.selectors.{number}", selector, item)


def _selector(name: str, node: Map, item: _Item) -> _Selector:
    context = item.context
    refuse_unknown(node, "key of a selector", SELECTOR_KEYS, SELECTOR_REFUSED, context)
    parts = {part.key: part for part in node if part.key in (*FILTERS, "matchActions")}
    macros = node.get("macros")
    for word in (context.list(macros.value, "macros") if macros else None) or ():
        text = word.text if isinstance(word, Scalar) else ""
        if text not in item.spec.macros:
            hint = suggest(text, item.spec.macros)
            context.add(f"there is no macro {shorten(text)!r} in selectorsMacros{hint}", word.span)
            continue
        for part in item.spec.macros[text]:
            if part.key in parts:
                context.add(
                    f"{part.key} is given twice, here and in macro {shorten(text)!r} of line "
                    f"{part.span.line}: put both into one",
                    word.span,
                )
            elif part.key in (*FILTERS, "matchActions"):
                parts[part.key] = part
    label = node.get("label")
    said = context.text(label.value, "label") if label else None
    tag = tag_of(said) if said else None
    if label and said and tag is None:
        context.add(f"label {shorten(said)!r} has no room in a tag: make it shorter", label.span)
    return _Selector(name, node.span, parts, parts.pop("matchActions", None), tag)


def _filters(selector: _Selector, item: _Item) -> tuple[list[Filter], bool]:
    """Read the filters on arguments and on the result; and whether all could be read."""
    context = item.context
    entry, results = selector.filters.get("matchArgs"), selector.filters.get("matchReturnArgs")
    by_position = item.targets.by_position
    found = [
        read_filter(node, item.declared, context, by_position=by_position)
        for node in (items(entry, context) if entry else ())
    ]
    returned_ = [
        read_filter(node, (), context, by_position=False, fixed=item.returned)
        for node in (items(results, context) if results else ())
    ]
    item.compared.arguments += [f.argument for f in (*found, *returned_) if f is not None]
    shifted = [_shifted(f, item.targets) for f in found if f is not None]
    return [*shifted, *(f for f in returned_ if f is not None)], None not in (*found, *returned_)


def _rules(selector: _Selector, decided: Decided | None, item: _Item) -> Iterator[Rule]:
    context = item.context
    filters, complete = _filters(selector, item)
    subject = read_subject(selector.filters, item.data, context)
    targets, filters = _targets(selector, filters, item)
    for whole in targets:
        target = _decided_at(whole, filters, context)
        item.compared.targets.append(target)
        object_ = read_object(filters, target.hook, target.name, selector.span, context)
        if decided is None or object_ is None or not complete:
            continue
        _check_enforcers(target, decided, item)
        verb = decided.action.verb
        note_opened(target, object_.operations, verb, selector.span, context)
        note_missed(target, object_, verb, selector.span, context)
        if subject is None:
            continue
        suffix = target.suffix if len(targets) > 1 else ""
        for end, part, of_part in _parts(target, object_):
            yield _rule(
                selector,
                part,
                item,
                suffix=suffix + end,
                object_=of_part,
                subject=subject,
                decided=decided,
            )


def _parts(target: Target, object_: Object) -> Iterator[tuple[str, Target, Object]]:
    """Yield what becomes a rule of its own, each with the end of its name: also what is done without a file."""
    yield "", target, object_
    hooks = [hook for word, hook in target.hook.without_file.items() if word in object_.operations]
    for hook in hooks if not (object_.conditions or object_.flags) else ():
        yield f".{hook.event}", attrs.evolve(target, hook=hook), Object(hook.operations)


def _decided_at(target: Target, filters: Sequence[Filter], context: Context) -> Target:
    """Return *target* as the point that it is, where a filter is on what its meaning has not."""
    if any(f.argument.index == RETURNS for f in filters):
        if target.point is None or target.point.kind in _NO_END:
            context.add(
                f"what {target.name} returns is not known there: hook a function of the kernel",
                filters[-1].span,
            )
            return target
        name = target.names[0]
        function = (
            name if target.point.kind is PointKind.KPROBE else f"security_{target.point.name}"
        )
        return attrs.evolve(target, hook=at(best_point(function, context, at_end=True)))
    if target.point is None or target.hook.point is not None:
        return target
    if all(is_compared(f, target.hook) for f in filters):
        return target
    return attrs.evolve(target, hook=at(target.point))


def _shifted(filter_: Filter, targets: Targets) -> Filter:
    """Return *filter_* on the argument of the call, whose fields begin behind others in a tracepoint."""
    argument = filter_.argument
    return attrs.evolve(
        filter_, argument=attrs.evolve(argument, index=argument.index - targets.shift)
    )


def _targets(
    selector: _Selector, filters: list[Filter], item: _Item
) -> tuple[Sequence[Target], list[Filter]]:
    if item.targets.is_raw:
        calls, filters = calls_of(filters, item.spec.lists, selector.span, item.context)
        if filters:
            item.context.add(
                "at raw_syscalls only the number of the call is known: hook the call itself to "
                "compare its arguments",
                filters[0].span,
            )
        return targets_of_calls(calls, (), compared=False), []
    if item.targets.calls:
        shift = item.targets.shift
        declared = [attrs.evolve(a, index=a.index - shift) for a in item.declared]
        return targets_of_calls(item.targets.calls, declared, compared=bool(filters)), filters
    return item.targets.of, filters


def _check_enforcers(target: Target, decided: Decided, item: _Item) -> None:
    if decided.notified is None:
        return
    enforced = item.spec.enforced
    if enforced is None:
        item.context.add("NotifyEnforcer needs enforcers with the calls", decided.notified)
        return
    for name in target.names:
        if name not in enforced:
            item.context.add(
                f"{name} is not among the calls of enforcers, so nothing would be enforced there",
                decided.notified,
            )


def _rule(
    selector: _Selector,
    target: Target,
    item: _Item,
    *,
    suffix: str,
    object_: Object,
    subject: Subject,
    decided: Decided,
) -> Rule:
    hook, action = target.hook, decided.action
    if action.verb is not Verb.ALLOW:  # what is allowed makes no record there
        action = attrs.evolve(action, message=item.message)
    known = EVENTS[hook.event].operations if hook.event in EVENTS else {}
    tags = item.tags + ((selector.label,) if selector.label else ())
    return Rule(
        name=selector.name + suffix,
        event=hook.event,
        operations=tuple(known[word] for word in object_.operations)
        if known
        else (POINT if hook.point else CALL,),
        action=action,
        span=selector.span,
        conditions=(
            *object_.conditions,
            *((named(hook.calls, selector.span),) if hook.calls else ()),
            *((at_point(hook.point, selector.span),) if hook.point else ()),
        ),
        flags=object_.flags,
        subject=subject,
        # What refuses must not be escaped by making an operand unreadable; the rest must not refuse.
        on_error=OnError.DENY if action.verb >= Verb.DENY else OnError.SKIP,
        strict=hook.strict,
        # With the name of the call go all of its operations.
        syscall=hook.syscall if object_.operations == hook.operations else None,
        calls=hook.calls,
        point=hook.point,
        lifted_from=target.lifted_from,
        tags=tuple(dict.fromkeys(tags)),
    )


def _without_repeated(rules: list[Rule]) -> Iterator[Rule]:
    """Leave out what an earlier rule of the same hook says already: two calls may mean one thing."""
    seen: list[tuple[object, ...]] = []
    for rule in rules:
        said = (rule.operations, rule.conditions, rule.flags, rule.subject, rule.strict)
        if said not in seen:
            seen.append(said)
            yield rule
