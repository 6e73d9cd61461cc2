# SPDX-License-Identifier: MIT
"""
The values of a field, by its kind and operator.

Without an operator, a value is read in its usual form: globs for text, networks for addresses, ranges for
numbers. With an operator, the operator says how it is read.
"""

from __future__ import annotations

import re

from enforcer import _abi
from enforcer.errors import EnforcerBug, PolicyError
from enforcer.policy.language.symbols import Resolver
from enforcer.policy.language.vocabulary import FieldSpec, Kind
from enforcer.policy.model.policy import Text, TextKind, Value
from enforcer.policy.readers import numbers
from enforcer.policy.readers.texts import TextForm, glob_text, literal_text, quote
from enforcer.policy.text.nodes import Node, Scalar, describe, shorten
from enforcer.span import Span

__all__ = ["text_form", "values"]

# Bytes without the NUL.
MAX_PATH = _abi.ENF_PATH_MAX
MAX_BINARY = _abi.ENF_EXE_MAX
MAX_ABSTRACT = 107
MAX_XATTR = _abi.ENF_NAME_MAX
MAX_SOURCE = _abi.ENF_NAME_MAX
MAX_NAME_BYTES = _abi.ENF_NAME_MAX
MAX_FSTYPE = _abi.ENF_FSTYPE_MAX
MAX_ARGUMENT = 4096
MAX_WORKLOAD = 512

_FORMS = {
    "binary": TextForm("the path", MAX_BINARY, is_path=True),
    "abstract": TextForm("the name", MAX_ABSTRACT),
    "xattr": TextForm("the name", MAX_XATTR),
    "source": TextForm("the source", MAX_SOURCE),
    "module": TextForm("the name", MAX_SOURCE),
    "target": TextForm("the path", MAX_BINARY, is_path=True),
    "fsType": TextForm("the type", MAX_FSTYPE, ends_at="."),
    "args": TextForm("the argument", MAX_ARGUMENT),
    "container.id": TextForm("the id", MAX_WORKLOAD),
    "container.name": TextForm("the name", MAX_WORKLOAD),
    "container.image": TextForm("the image", MAX_WORKLOAD),
    "container.runtime": TextForm("the runtime", MAX_WORKLOAD),
    "pod.name": TextForm("the name", MAX_WORKLOAD),
    "pod.namespace": TextForm("the namespace", MAX_WORKLOAD),
    "bytes": TextForm("the bytes", MAX_NAME_BYTES),
}
_PATH_FORM = TextForm("the path", MAX_PATH, is_path=True)

_TEXT_KINDS = {
    "equal": TextKind.EXACT,
    "notEqual": TextKind.EXACT,
    "in": TextKind.EXACT,
    "notIn": TextKind.EXACT,
    "prefix": TextKind.PREFIX,
    "suffix": TextKind.SUFFIX,
    "contains": TextKind.CONTAINS,
    "notPrefix": TextKind.PREFIX,
    "notSuffix": TextKind.SUFFIX,
    "notContains": TextKind.CONTAINS,
}
_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@-]{1,240}\.(?:service|scope|slice|socket|mount|swap|timer|path|target)"
)


def text_form(field: FieldSpec) -> TextForm:
    """Return what the texts of *field* look like."""
    return _FORMS.get(field.name, _PATH_FORM)


def values(
    field: FieldSpec, operator: str | None, node: Node, resolver: Resolver
) -> tuple[Value, ...]:
    """
    Read one written value of *field* behind *operator* (None: no operator).

    Raises:
        PolicyError: it is not one.
    """
    kind = field.kind
    if kind in {Kind.PATH, Kind.STRING, Kind.ARGS}:
        return (_text(field, operator, node),)
    if kind is Kind.CGROUP:
        return _cgroup(field, operator, node)
    if kind is Kind.UNIT:
        return _unit(_word(field, node), node.span)
    if kind is Kind.ADDRESS:
        exact = operator in {"equal", "notEqual"}
        return (numbers.address(node, field) if exact else numbers.network(node, field),)
    if kind in {Kind.PORT, Kind.NUMBER, Kind.MODE, Kind.USER, Kind.GROUP}:
        return (_number(field, operator, node, resolver),)
    msg = f"no values for kind {kind}"
    raise EnforcerBug(msg)


def _number(field: FieldSpec, operator: str | None, node: Node, resolver: Resolver) -> Value:
    if operator == "mask":
        return numbers.mask(node, field, resolver)
    if operator == "range":
        return numbers.number_range(node, field, resolver)
    if operator in {"equal", "notEqual"}:
        return numbers.one_number(node, field, resolver)
    return numbers.number(node, field, resolver)


def _word(field: FieldSpec, node: Node) -> str:
    """Return a text; numbers and booleans without quotes are text as written."""
    if isinstance(node, Scalar) and not node.is_null:
        return node.text
    msg = f"{field.name} must be text, not {describe(node)}"
    raise PolicyError(msg, node.span)


def _text(field: FieldSpec, operator: str | None, node: Node) -> Text:
    form, text = text_form(field), _word(field, node)
    if operator in {None, "glob", "notGlob"}:
        return glob_text(text, form, node.span)
    return literal_text(text, _TEXT_KINDS[operator], form, node.span)


def _cgroup(field: FieldSpec, operator: str | None, node: Node) -> tuple[Text, ...]:
    """A cgroup without operator is meant with everything below it."""
    value = _text(field, operator, node)
    if operator is not None or value.value.endswith(b"/**"):
        return (value,)
    if value.kind is TextKind.EXACT:
        below = quote(value.value.decode()).rstrip("/") + "/**"
    else:
        below = value.value.decode() + "/**"
    return (value, Text(TextKind.GLOB, below.encode(), node.span))


def _unit(name: str, span: Span) -> tuple[Text, ...]:
    """A unit is its cgroup, at any depth of slices, with everything below it."""
    if not _UNIT.fullmatch(name):
        msg = (
            f"{shorten(name)!r} is not a systemd unit: write the full name, like nginx.service "
            "(for a glob use cgroup)"
        )
        raise PolicyError(msg, span)
    quoted = quote(name)
    return (
        Text(TextKind.EXACT, f"/{name}".encode(), span),
        Text(TextKind.GLOB, f"/{quoted}/**".encode(), span),
        Text(TextKind.GLOB, f"/**/{quoted}".encode(), span),
        Text(TextKind.GLOB, f"/**/{quoted}/**".encode(), span),
    )
