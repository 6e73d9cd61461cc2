# SPDX-License-Identifier: MIT
"""
Each operand of each operation at its ends: empty, longest, with every byte, absent, not readable.

The cases come from the table of operations, so that a new operand has them, too. The expectation is Python's own
comparison of bytes and numbers, which shares no line with the reference or the builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from builds import BORN, GENERATION, checked, decide_by_all
from reference.semantics import UNKNOWN, Access, Actor, Unknown

from enforcer import _abi
from enforcer.compiler import BareHost, compile_policies
from enforcer.errors import PolicyErrors
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import (
    BITS,
    EVENTS,
    FIELDS,
    Dim,
    FieldSpec,
    Kind,
    Op,
    OpSpec,
)
from enforcer.policy.model.policy import (
    Action,
    Address,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Rule,
    Text,
    TextKind,
    Value,
    Verb,
)
from enforcer.policy.readers.values import text_form
from enforcer.policy.store import load_text
from enforcer.span import Span

_SPAN = Span("extremes.yaml", 1, 1)
_LONGEST = {
    Dim.PATH: _abi.ENF_PATH_MAX,
    Dim.NAME: _abi.ENF_NAME_MAX,
    Dim.FSTYPE: _abi.ENF_FSTYPE_MAX,
}
_TOPS = {
    Kind.PORT: 0xFFFF,
    Kind.MODE: 0o7777,
    Kind.NUMBER: 0xFFFFFFFF,
    Kind.USER: 0xFFFFFFFE,
    Kind.GROUP: 0xFFFFFFFE,
}
_BIT_TOP = (1 << 41) - 1
_ANY_BYTES = bytes(range(1, 256)).replace(b"/", b"")

_LITERAL: dict[TextKind, Callable[[bytes, bytes], bool]] = {
    TextKind.EXACT: lambda text, value: text == value,
    TextKind.PREFIX: bytes.startswith,
    TextKind.SUFFIX: bytes.endswith,
    TextKind.CONTAINS: lambda text, value: value in text,
}


def _words() -> Iterator[tuple[str, OpSpec, FieldSpec]]:
    for event in EVENTS.values():
        for word in event.operations.values():
            for name in sorted(word.fields):
                yield event.name, word, FIELDS[name]


_COMPARED = [given for given in _words() if given[2].kind is not Kind.FLAG]
_FLAGS = [given for given in _words() if given[2].kind is Kind.FLAG]


def _called(given: tuple[str, OpSpec, FieldSpec]) -> str:
    event, word, field = given
    return f"{event}.{word.name}-{field.name}"


def _policies(
    event: str,
    word: OpSpec,
    *conditions: Condition,
    flags: tuple[Flag, ...] = (),
    on_error: OnError = OnError.DENY,
) -> PolicySet:
    rule = Rule(
        name="rule",
        event=event,
        operations=(word,),
        action=Action(Verb.DENY),
        span=_SPAN,
        conditions=conditions,
        flags=flags,
        on_error=on_error,
        guard=False,
        loader=False,
    )
    return PolicySet((Policy(name="extremes", mode=Mode.ENFORCE, rules=(rule,), span=_SPAN),))


def _op(word: OpSpec, field: FieldSpec) -> Op:
    """Return the operation at which the kernel side has *field*."""
    later = (row.op for row in OPERATION_TABLE.values() if row.by_field == field.name)
    return next(later, word.ops[0])


def _decide(builds, policies: PolicySet, access: Access) -> Verb | None:
    compiled = checked(
        compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    )
    return decide_by_all(builds, policies, compiled, Actor(), access).enforced.verb


def _access(word: OpSpec, field: FieldSpec, value: bytes | int | Unknown | None) -> Access:
    op = _op(word, field)
    if field.kind is Kind.ARGS:
        if value is None:
            return Access((op,), {}, (), 0)
        return Access((op,), {}, () if value is UNKNOWN else (value,), 1)
    assert field.dim is not None
    return Access((op,), {} if value is None else {field.dim: value})


def _texts(field: FieldSpec) -> list[bytes]:
    """Return operands at their ends; a path has a slash at least."""
    if field.kind is Kind.PATH:
        longest = _LONGEST[Dim.PATH] if field.name == "path" else _abi.ENF_EXE_MAX
        deep = (b"/" + b"d" * 200) * 30
        return [b"/", b"/" + _ANY_BYTES[:200], b"/" + _ANY_BYTES[200:], deep[:longest]]
    longest = _LONGEST.get(field.dim, _abi.ENF_PATH_MAX)
    every = [_ANY_BYTES[at : at + 30] for at in range(0, len(_ANY_BYTES), 30)]
    return [b"", b"x", *every, b"y" * longest]


def _numbers(field: FieldSpec) -> list[int]:
    if field.kind is Kind.ADDRESS:
        v4 = 0xFFFF << 32
        return [0, 1, v4, v4 | 0xFFFFFFFF, v4 | 0x7F000001, 0xFF02 << 112 | 1, (1 << 128) - 1]
    if field.kind in BITS:
        return [0, 1, 1 << 40, _BIT_TOP]
    return [0, 1, _TOPS[field.kind] - 1, _TOPS[field.kind]]


def _operands(field: FieldSpec) -> list[bytes] | list[int]:
    return _texts(field) if field.kind in {Kind.PATH, Kind.STRING, Kind.ARGS} else _numbers(field)


def _value(field: FieldSpec, operand: bytes | int) -> Value:
    if isinstance(operand, bytes):
        return Text(TextKind.EXACT, operand)
    if field.kind is Kind.ADDRESS:
        return Address(operand, operand)
    if field.kind in BITS:
        return CapabilityMask("any" if operand else "none", operand or _BIT_TOP)
    return Interval(operand, operand)


def _holds(field: FieldSpec, value: Value, operand: bytes | int) -> bool:
    match value:
        case Text(kind, text):
            assert isinstance(operand, bytes)
            return _LITERAL[kind](operand, text)
        case CapabilityMask("any", mask):
            return bool(operand & mask)
        case CapabilityMask("none", mask):
            return not operand & mask
        case Interval(low, high) | Address(low, high):
            assert isinstance(operand, int)
            return any(low <= number <= high for number in field.counted(operand))
    raise AssertionError(value)


@pytest.mark.parametrize("given", _COMPARED, ids=_called)
def test_an_operand_at_its_end_is_compared_as_any_other(builds, given) -> None:
    """The empty, the longest and every byte meet their own value, and its negation meets the others."""
    event, word, field = given
    operands = _operands(field)

    for wanted in operands:
        if wanted == b"" and field.kind is not Kind.ARGS:
            continue  # the language has no such value: the operand has it all the same
        value = _value(field, wanted)
        for negate in (False, True) if field.kind not in BITS else (False,):
            policies = _policies(event, word, Condition(field, (value,), negate))
            compiled = checked(
                compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
            )
            for operand in operands:
                asked = _access(word, field, operand)
                found = decide_by_all(builds, policies, compiled, Actor(), asked).enforced.verb
                expected = _holds(field, value, operand) != negate
                assert expected == (found is Verb.DENY), (wanted, negate, operand)


@pytest.mark.parametrize("given", _COMPARED, ids=_called)
def test_an_operand_that_is_absent_or_not_readable_has_no_value(builds, given) -> None:
    """Absent: neither the condition nor its negation. Not readable: what the rule says for doubt."""
    event, word, field = given
    value = _value(field, _operands(field)[-1])

    for negate in (False, True) if field.kind not in BITS else (False,):
        condition = Condition(field, (value,), negate)
        for on_error, doubt in ((OnError.DENY, Verb.DENY), (OnError.SKIP, None)):
            policies = _policies(event, word, condition, on_error=on_error)
            if not (field.kind is Kind.ARGS and negate):  # no argument at all is none of them
                absent = _access(word, field, None)
                assert _decide(builds, policies, absent) is None, (negate, on_error)
            unreadable = _access(word, field, UNKNOWN)
            assert doubt == _decide(builds, policies, unreadable), (negate, on_error)


@pytest.mark.parametrize("given", _FLAGS, ids=_called)
def test_a_fact_holds_or_its_absence_does(builds, given) -> None:
    """A flag that is wanted meets an object that has it, and no other; the same the other way round."""
    event, word, field = given
    for wanted in (False, True):
        policies = _policies(event, word, flags=(Flag(field, wanted),))
        for has in (False, True):
            operands = {Dim.PATH: b"/x"}
            asked = Access((_op(word, field),), operands, flags=field.flag if has else 0)
            assert (wanted == has) == (_decide(builds, policies, asked) is Verb.DENY)


_TEXT_FIELDS = {
    field.name: (event, word, field)
    for event, word, field in _words()
    if field.kind in {Kind.STRING, Kind.ARGS}
}


@pytest.mark.parametrize("name", _TEXT_FIELDS)
def test_each_operator_takes_the_empty_text(builds, name) -> None:
    """
    What is empty begins, ends and goes on with nothing: no operator with a value meets it, and each negation does.
    """
    event, word, field = _TEXT_FIELDS[name]
    asked = _access(word, field, b"")

    for kind in _LITERAL:
        for negate in (False, True):
            policies = _policies(event, word, Condition(field, (Text(kind, b"x"),), negate))
            assert negate == (_decide(builds, policies, asked) is Verb.DENY), (kind, negate)
    for pattern, negate in ((b"*", False), (b"?*", True), (b"x*", True), (b"**", False)):
        policies = _policies(event, word, Condition(field, (Text(TextKind.GLOB, pattern),), negate))
        assert _decide(builds, policies, asked) is Verb.DENY, pattern


def _written(event: str, word: OpSpec, field: FieldSpec, operator: str, text: str) -> str:
    match = (
        f"{{args: [{{index: 1, {operator}: {text}}}]}}"
        if field.kind is Kind.ARGS
        else f"{{{field.name}: {{{operator}: {text}}}}}"
    )
    of = "exec: {}" if event == "exec" else f"{event}: {word.name}"
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\n"
        f"spec: {{rules: [{{{of}, match: {match}, action: {'kill' if event == 'exec' else 'deny'}}}]}}\n"
    )


@pytest.mark.parametrize("name", ["path", "target", *_TEXT_FIELDS])
def test_a_written_value_above_the_limit_is_refused_by_name(name) -> None:
    """The longest value is taken; one byte more is refused, and the sentence says what is the most."""
    event, word, field = _TEXT_FIELDS.get(name) or next(
        given for given in _words() if given[2].name == name
    )
    most = text_form(field).limit
    longest = ("/" + "x" * 200) * 21 if field.kind is Kind.PATH else "y" * most

    load_text(_written(event, word, field, "equal", longest[:most]), "longest.yaml")
    with pytest.raises(PolicyErrors, match=f"{most:,}|{most}"):
        load_text(
            _written(event, word, field, "equal", (longest + "z" * 400)[: most + 1]), "above.yaml"
        )
