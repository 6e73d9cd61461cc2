# SPDX-License-Identifier: MIT
"""
``matchBinaries``, ``matchParentBinaries``, ``matchCapabilities`` and ``matchData``: the subject.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import (
    Argument,
    Filter,
    items,
    read_argument,
    read_filter,
    values_of,
)
from enforcer.policy.foreign.tracing.numbers import NUMBER_OPERATORS, ranges
from enforcer.policy.foreign.tracing.texts import TEXT_OPERATORS, texts
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import PROCESS_FIELDS
from enforcer.policy.model.policy import (
    CapabilityMask,
    Condition,
    Interval,
    Process,
    Subject,
    TextKind,
    Value,
)
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, Map, Scalar, describe
from enforcer.policy.text.problems import suggest

__all__ = ["Datum", "read_data", "read_subject"]

_BINARY = PROCESS_FIELDS["binary"]
_OPERATORS = {
    word: TEXT_OPERATORS[word]
    for word in ("In", "NotIn", "Prefix", "NotPrefix", "Postfix", "NotPostfix")
}
_SETS = ("Effective", "Inheritable", "Permitted")
_IDS = {
    f"{cred}.{name}.val": PROCESS_FIELDS[name]
    for cred, names in (("cred", ("uid", "euid", "gid", "egid")), ("real_cred", ("uid", "gid")))
    for name in names
}
_MAX_ID = 0xFFFFFFFE


@attrs.frozen
class Datum:
    """An item of ``data`` that can be compared: an id of the subject."""

    argument: Argument
    resolve: str


@attrs.define
class _Parts:
    """What the filters say so far."""

    process: list[Condition] = attrs.field(factory=list)
    parent: list[Condition] = attrs.field(factory=list)
    ancestors: list[Condition] = attrs.field(factory=list)
    lineage: list[Condition] = attrs.field(factory=list)
    not_ancestors: list[Condition] = attrs.field(factory=list)


def read_data(entry: Entry | None, context: Context) -> tuple[Datum, ...]:
    """Read ``data``."""
    found: list[Datum] = []
    for node in items(entry, context) if entry else ():
        argument = read_argument(node, context, also=("source", "resolve"))
        source, resolve = node.get("source"), node.get("resolve")
        if source is None or resolve is None:
            context.add("an item of data needs source and resolve", node.span)
            continue
        word = resolve.value.text if isinstance(resolve.value, Scalar) else ""
        from_task = isinstance(source.value, Scalar) and source.value.text == "current_task"
        if not from_task or word not in _IDS:
            context.add(
                "data is not supported by this version, except for ids of the acting process, "
                f"source current_task and resolve {', '.join(_IDS)}: match binaries and arguments",
                resolve.value.span if from_task else source.value.span,
            )
        elif argument is not None:
            found.append(Datum(argument, word))
    return tuple(found)


def read_subject(
    filters: dict[str, Entry], data: Sequence[Datum], context: Context
) -> Subject | None:
    """Read the filters on the subject; None after an error."""
    before = len(context.problems.errors)
    parts = _Parts()
    for key, field in (("matchBinaries", parts.process), ("matchParentBinaries", parts.parent)):
        for node in items(filters[key], context) if key in filters else ():
            _binaries(key, node, field, parts, context)
    if entry := filters.get("matchCapabilities"):
        for node in items(entry, context):
            parts.process += _capabilities(node, context)
    if entry := filters.get("matchData"):
        arguments = [datum.argument for datum in data]
        for node in items(entry, context):
            filter_ = read_filter(node, arguments, context, by_position=False)
            if filter_ is not None:
                with context.problems.catching():
                    parts.process.append(_id(filter_, data))
    if len(context.problems.errors) > before:
        return None
    return Subject(
        process=Process(tuple(parts.process)),
        parent=Process(tuple(parts.parent)),
        ancestors=Process(tuple(parts.ancestors)),
        lineage=Process(tuple(parts.lineage)),
        not_ancestors=Process(tuple(parts.not_ancestors)),
    )


def _binaries(key: str, node: Map, own: list[Condition], parts: _Parts, context: Context) -> None:
    keys = ("operator", "values", "followChildren")
    refuse_unknown(node, f"key of {key}", keys, {}, context)
    entry = node.get("operator")
    if entry is None:
        context.add(f"an item of {key} needs an operator", node.span)
        return
    operator = context.word(entry.value, "operator", _OPERATORS)
    given = node.get("followChildren")
    follows = bool(given and context.boolean(given.value, "followChildren"))
    values = values_of(node, operator or "", context)
    if operator is None or not values:
        return
    kind, negate = _OPERATORS[operator]
    if follows and kind is not TextKind.EXACT:
        context.add(f"followChildren goes with In and NotIn, not with {operator}", node.span)
        return
    found: list[Condition] = []
    with context.problems.catching():
        found.append(Condition(_BINARY, texts(values, kind, _BINARY), negate, span=node.span))
    for condition in found:
        if not follows:
            own.append(condition)
        elif negate:
            # Neither the process nor any above it.
            _follow_none(key, condition, parts, context)
        elif parts.lineage or parts.ancestors:
            context.add(
                "only one list of binaries can be followed: leave the others out", node.span
            )
        else:
            (parts.ancestors if key == "matchParentBinaries" else parts.lineage).append(condition)


def _follow_none(key: str, condition: Condition, parts: _Parts, context: Context) -> None:
    if parts.not_ancestors and condition.span is not None:
        context.add(
            "only one list of binaries can be followed: put all of them into it", condition.span
        )
        return
    if key == "matchBinaries":
        parts.process.append(condition)
    parts.not_ancestors.append(attrs.evolve(condition, negate=False))


def _capabilities(node: Map, context: Context) -> list[Condition]:
    keys = ("type", "operator", "values", "isNamespaceCapability")
    refuse_unknown(node, "key of matchCapabilities", keys, {}, context)
    kind, operator = node.get("type"), node.get("operator")
    inside = node.get("isNamespaceCapability")
    which = context.word(kind.value, "type of capabilities", _SETS) if kind else "Effective"
    if which not in (None, "Effective") and kind:
        context.add(
            f"type {which} is not supported by this version: only effective capabilities are "
            "compared",
            kind.value.span,
        )
    if inside and context.boolean(inside.value, "isNamespaceCapability"):
        context.add(
            "'isNamespaceCapability' is not supported by this version: user namespaces are not "
            "distinguished, leave it out",
            inside.span,
        )
    word = context.word(operator.value, "operator", ("In", "NotIn")) if operator else None
    if operator is None:
        context.add("an item of matchCapabilities needs an operator", node.span)
    mask = 0
    for item in values_of(node, word or "", context):
        text = item.text.upper() if isinstance(item, Scalar) else ""
        name = text if text.startswith("CAP_") else f"CAP_{text}"
        if name in CAPABILITIES:
            mask |= 1 << CAPABILITIES[name]
        else:
            hint = suggest(name, CAPABILITIES)
            context.add(f"{describe(item)} is not a capability{hint}", item.span)
    if word is None or not mask:
        return []
    how = "any" if word == "In" else "none"
    return [Condition(PROCESS_FIELDS["capabilities"], (CapabilityMask(how, mask),), span=node.span)]


def _id(filter_: Filter, data: Sequence[Datum]) -> Condition:
    """Return a comparison of a user or group id."""
    negate = NUMBER_OPERATORS.get(filter_.operator)
    if negate is None or filter_.operator == "Mask":
        known = ", ".join(o for o in NUMBER_OPERATORS if o != "Mask")
        msg = f"an id is compared with {known}, not with {filter_.operator}"
        raise PolicyError(msg, filter_.span)
    (resolve,) = {datum.resolve for datum in data if datum.argument is filter_.argument}
    values: list[Value] = []
    for (low, high), item in zip(ranges(filter_).of, filter_.values, strict=True):
        first, last = max(low or 0, 0), _MAX_ID if high is None else min(high, _MAX_ID)
        if first > last:
            raise PolicyError(f"{describe(item)} is not an id", item.span)
        values.append(Interval(first, last))
    return Condition(_IDS[resolve], tuple(values), negate, span=filter_.span)
