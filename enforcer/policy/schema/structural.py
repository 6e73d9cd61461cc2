# SPDX-License-Identifier: MIT
"""
JSON Schemas of the language as *structural* schemas, the form that an API server of Kubernetes takes.

A structural schema has no references, and one type at each place. Where the language takes several, the server
is told nothing of the type, and the rest as keywords that hold for one type each: a pattern for texts, items for
lists, properties for mappings. What such keywords cannot say, the reader of policies refuses. Two things differ
from the schema for editors:

* Unknown keys pass, and stay in the object, so that the reader sees and refuses them. A server would drop them.
* Where a text may stand, a number or a boolean may not. Clients read ``0755``, ``1_000`` and ``yes`` as something
  else before the server sees them, so only quotes keep what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from enforcer.errors import EnforcerBug
from enforcer.policy.schema.fragments import Schema

__all__ = ["INT_OR_STRING", "PRESERVE", "Structural"]

INT_OR_STRING: Final = "x-kubernetes-int-or-string"
PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"

_LONGEST = 800
"""Characters of a pattern or a list of words; what is longer is left to the reader, for the size of the object."""

_NUMBERS: Final = ("minimum", "maximum")
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", type(None): "null"}

Parts = dict[str, list[Schema]]
"""What may stand at a place, by type."""


class Structural:
    """A writer of structural schemas. *definitions* are those that references lead to."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions

    def write(self, form: Schema) -> Schema:
        """
        Return *form*, a JSON Schema, as a structural schema.

        Raises:
            EnforcerBug: it has what no structural schema can say, and what must not get lost.
        """
        form = self._resolve(form)
        parts: Parts = {}
        for kind, part in self._parts(form):
            parts.setdefault(kind, []).append(part)
        if not parts:
            raise EnforcerBug(f"nothing says what may stand there: {form}")
        described = {"description": form["description"]} if "description" in form else {}
        return described | self._whole(parts)

    def _whole(self, parts: Parts) -> Schema:
        kinds = set(parts) - {"null"}
        nullable: Schema = {"nullable": True} if "null" in parts else {}
        if kinds == {"integer", "string"}:
            return {INT_OR_STRING: True, **_texts(parts, mixed=True), **_range(parts), **nullable}
        if len(kinds) > 1:
            return {PRESERVE: True, **self._mixed(parts), **nullable}
        (kind,) = kinds
        if kind == "object":
            return {"type": kind, PRESERVE: True, **self._objects(parts), **nullable}
        return {"type": kind, **self._plain(kind, parts), **nullable}

    def _plain(self, kind: str, parts: Parts) -> Schema:
        if kind == "string":
            return _texts(parts, mixed=False)
        if kind == "array":
            return self._arrays(parts)
        return _range(parts) if kind == "integer" else {}

    def _mixed(self, parts: Parts) -> Schema:
        """Return keywords that hold for one type each, and keep out the types that are not among *parts*."""
        out: Schema = {}
        if "string" in parts:
            out |= _texts(parts, mixed=True)
        # No number is in an empty range.
        out |= _range(parts) if "integer" in parts else {"minimum": 1, "maximum": 0}
        if "boolean" not in parts:
            out["not"] = {"enum": [True, False]}
        if "array" in parts:
            out |= self._arrays(parts)
        if "object" in parts:
            out |= self._objects(parts)
        return out

    def _arrays(self, parts: Parts) -> Schema:
        forms = parts["array"]
        out: Schema = {"items": self.write({"anyOf": [form["items"] for form in forms]})}
        if all(form.get("minItems") for form in forms):
            out["minItems"] = min(form["minItems"] for form in forms)
        if all("maxItems" in form for form in forms):
            out["maxItems"] = max(form["maxItems"] for form in forms)
        return out

    def _objects(self, parts: Parts) -> Schema:
        forms = parts["object"]
        keys: dict[str, list[Schema]] = {}
        for form in forms:
            for key, value in form.get("properties", {}).items():
                keys.setdefault(key, []).append(value)
        out: Schema = {}
        if keys:
            out["properties"] = {key: self._property(values) for key, values in keys.items()}
        values = [form["additionalProperties"] for form in forms if _has_values(form)]
        if values and not keys:
            out["additionalProperties"] = self.write({"anyOf": values})
        needs = [{"required": form["required"]} for form in forms if "required" in form]
        if len(needs) == len(forms):
            out |= needs[0] if len(needs) == 1 else {"anyOf": needs}
        for word, choose in (("minProperties", min), ("maxProperties", max)):
            if all(word in form for form in forms):
                out[word] = choose(form[word] for form in forms)
        for form in forms:
            out |= self._conditions(form)
        return out

    def _property(self, forms: list[Schema]) -> Schema:
        return self.write(forms[0] if len(forms) == 1 else {"anyOf": forms})

    def _conditions(self, form: Schema) -> Schema:
        """Return which keys go together: *form*'s own ``oneOf``, and ``if`` not some keys ``then`` others."""
        out: Schema = {}
        if "oneOf" in form:
            out["oneOf"] = form["oneOf"]
        if "if" in form:
            unless = form["if"].get("not", {}).get("anyOf")
            if unless is None:
                raise EnforcerBug("only 'if not' can be said in a structural schema")
            out["anyOf"] = [*unless, self._inlined(form["then"])]
        return out

    def _inlined(self, form: Schema) -> Schema:
        """Return what is only about values, without references."""
        resolved = self._resolve(form)
        return {
            key: self._inlined(value) if isinstance(value, dict) else value
            for key, value in resolved.items()
        }

    def _resolve(self, form: Schema) -> Schema:
        while "$ref" in form:
            rest = {key: value for key, value in form.items() if key != "$ref"}
            form = self._definitions[form["$ref"].removeprefix("#/$defs/")] | rest
        return form

    def _parts(self, form: Schema) -> Iterator[tuple[str, Schema]]:
        """Yield what may stand where *form* is asked for, with its type."""
        form = self._resolve(form)
        kind = form.get("type")
        if isinstance(kind, str):
            yield kind, form
        elif isinstance(kind, list):
            yield "string", {"type": "string"} | _without(form, "type")
        elif "const" in form:
            yield _TYPES[type(form["const"])], {"enum": [form["const"]]}
        elif "enum" in form:
            words = form["enum"]
            for word in dict.fromkeys(_TYPES[type(word)] for word in words):
                yield word, {"enum": [each for each in words if _TYPES[type(each)] == word]}
        else:
            for each in form["anyOf"] if "anyOf" in form else form.get("oneOf", ()):
                yield from self._parts(each)


def _has_values(form: Schema) -> bool:
    return isinstance(form.get("additionalProperties"), dict)


def _without(form: Schema, key: str) -> Schema:
    return {each: value for each, value in form.items() if each != key}


def _texts(parts: Parts, *, mixed: bool) -> Schema:
    """Return which texts may stand there; *mixed*: keywords that leave other types alone."""
    forms = parts["string"]
    words = [word for form in forms for word in form.get("enum", ())]
    patterns = [form["pattern"] for form in forms if "pattern" in form]
    if any("enum" not in form and "pattern" not in form for form in forms):
        return _lengths(forms)
    if len("".join((*words, *patterns))) > _LONGEST:
        return {"minLength": 1}
    if words and not patterns and not mixed:
        return {"enum": words}
    if words:
        patterns.append(f"^({'|'.join(map(re.escape, words))})$")
    return {"pattern": patterns[0] if len(patterns) == 1 else _any_of(patterns), **_lengths(forms)}


def _any_of(patterns: Iterable[str]) -> str:
    return "|".join(f"({pattern})" for pattern in dict.fromkeys(patterns))


def _lengths(forms: list[Schema]) -> Schema:
    out: Schema = {}
    for word, choose in (("minLength", min), ("maxLength", max)):
        if all(word in form for form in forms):
            out[word] = choose(form[word] for form in forms)
    return out


def _range(parts: Parts) -> Schema:
    """Return between what the numbers are, if all forms say so."""
    forms = parts["integer"]
    if any(word not in form for form in forms for word in _NUMBERS):
        return {}
    return {
        "minimum": min(form["minimum"] for form in forms),
        "maximum": max(form["maximum"] for form in forms),
    }
