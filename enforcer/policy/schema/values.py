# SPDX-License-Identifier: MIT
"""The JSON Schema of one value of a field, by its kind, and of a field with its operators."""

from __future__ import annotations

from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import OPERATORS, FieldSpec, Kind
from enforcer.policy.readers.conditions import LISTS, SINGLE
from enforcer.policy.readers.numbers import largest
from enforcer.policy.schema.fragments import Schema, list_of, object_of, one_or_list, up_to

__all__ = ["SCALAR", "any_case", "operand", "value", "values"]

SCALAR: Schema = {"type": ["string", "integer"]}
_NUMBERS = (Kind.PORT, Kind.NUMBER, Kind.MODE, Kind.USER, Kind.GROUP)


def values(field: FieldSpec) -> Schema:
    """Return the schema of what stands at *field*: a value, a list of them, or operators."""
    one = value(field)
    operators = {o: operand(o, one) for o in OPERATORS[field.kind]}
    return {"anyOf": [one, list_of(one), object_of(operators, minimum=1)]}


def operand(operator: str, one: Schema) -> Schema:
    """Return the schema of what stands behind *operator*, of values like *one*."""
    if operator in SINGLE:
        return one
    return list_of(one) if operator in LISTS else one_or_list(one)


def value(field: FieldSpec) -> Schema:
    """Return the schema of one value of *field*."""
    if field.kind is Kind.CAPABILITY:
        names = "|".join(any_case(name.removeprefix("CAP_")) for name in CAPABILITIES)
        return {"type": "string", "pattern": f"^({any_case('CAP_')})?({names})$"}
    if field.kind is Kind.FLAGS:
        return {"type": "string", "pattern": f"^({'|'.join(map(any_case, field.names))})$"}
    if field.kind not in _NUMBERS:
        return SCALAR
    most = largest(field)
    # A mode is octal, and its digits without a leading 0 are a whole number of YAML.
    shown = int(f"{most:o}") if field.kind is Kind.MODE else most
    numbers: Schema = {"type": "integer", "minimum": 0, "maximum": shown}
    if field.kind is Kind.PORT:
        number = f"({up_to(most)}|0x[0-9a-fA-F]{{1,4}}|0o[0-7]{{1,6}})"
        return {"anyOf": [numbers, {"type": "string", "pattern": f"^{number}( *- *{number})?$"}]}
    named: Schema = {"enum": list(field.names)}
    return {"anyOf": [*([named] if field.names else []), numbers, {"type": "string"}]}


def any_case(word: str) -> str:
    """Return a pattern: the dialect of JSON Schema has no flag for it."""
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word)
