# SPDX-License-Identifier: MIT
"""
A file of cases for ``enforcer test`` to values; ``docs/testing-policies.md`` is the description.

Cases are read as strictly as policies: anything unknown, missing or useless for the deed is an error with
its place, since a case that does not say what its author meant proves nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer import places
from enforcer.errors import FileError, PolicyError
from enforcer.policy.language.symbols import ERRNOS, SIGNALS, Machine, SystemResolver, TableResolver
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.text.loader import MAX_BYTES, read, standard_input
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe
from enforcer.policy.text.problems import closest
from enforcer.policy.text.regular_files import open_regular, why_unreadable
from enforcer.span import Span
from enforcer.workbench.cases.actor import read_actor
from enforcer.workbench.cases.earlier import OF_POLICY, read_earlier, read_marks
from enforcer.workbench.cases.model import Case, CaseFile, Expected, ExpectedAudit
from enforcer.workbench.cases.object import DEED_KEYS, read_deed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.policy.language.symbols import Resolver

__all__ = ["API_VERSION", "AUDIT", "CASE_KEYS", "KIND", "TOP", "VERDICTS", "read_cases"]

API_VERSION: Final = "enforcer/v1"
KIND: Final = "EnforcerCases"

VERDICTS: Final = (*(verb.name.lower() for verb in Verb), "nothing", "permitted", "refused")

_LINKS: Final = {
    b"/bin": b"usr/bin",
    b"/sbin": b"usr/sbin",
    b"/lib": b"usr/lib",
    b"/lib64": b"usr/lib64",
}
"""Merged /usr, as every current distribution has it; a case file may say otherwise."""

TOP: Final = ("apiVersion", "kind", "policies", "users", "groups", "links", "cases")
_CASE_ACTOR: Final = ("as", "parent", "ancestors")
_CASE_EARLIER: Final = ("marks", "after")
_CASE_EXPECTED: Final = ("expect", "by", "guard", "onError", "errno", "killedBy", "audit")
CASE_KEYS: Final = ("name", *_CASE_ACTOR, *_CASE_EARLIER, *_CASE_EXPECTED)
"""Keys of a case that are not about the deed."""

AUDIT: Final = ("expect", "by")

_ALIKE: Final = 0.8


@attrs.frozen
class _Resolver:
    """Names of the file first, then those of this machine."""

    given: TableResolver
    system: Resolver

    @property
    def machine(self) -> Machine | None:
        return self.given.machine

    def user(self, name: str) -> int | None:
        found = self.given.user(name)
        return self.system.user(name) if found is None else found

    def group(self, name: str) -> int | None:
        found = self.given.group(name)
        return self.system.group(name) if found is None else found


def read_cases(path: Path, system: Resolver | None = None) -> CaseFile:
    """
    Read the file, which may be ``places.STDIN``: its policies then lie in the working directory.

    Raises:
        FileError: it cannot be read.
        PolicyErrors: everything that is wrong in it.
    """
    context = Context()
    content, path = _content(path)
    start = Span(str(path), 1, 1)
    source = read(content, str(path))
    context.problems.errors.extend(source.errors)
    context.problems.broken |= source.broken
    documents = [d for d in source.documents if not (isinstance(d, Scalar) and d.is_null)]
    found = None
    if len(documents) != 1 and not source.errors:
        context.add(f"a file of cases must be one document, this one has {len(documents)}", start)
    elif documents:
        found = _file(documents[0], path, context, system or SystemResolver())
    context.problems.check()
    if found is None:
        raise PolicyError("no cases", start)
    return found


def _content(path: Path) -> tuple[bytes, Path]:
    """Return what *path* holds, and what places in it are called."""
    try:
        if path == places.STDIN:
            return standard_input(), Path(places.STDIN_NAME)
        with open_regular(path) as file:
            return file.read(MAX_BYTES + 1), path
    except OSError as error:
        reason = f"cannot read the file: {why_unreadable(path, error)}"
        raise FileError(reason, Span(str(path), 1, 1)) from error


def _file(node: Node, path: Path, context: Context, system: Resolver) -> CaseFile | None:
    top = context.map(node, "a file of cases")
    if top is None:
        return None
    if (kind := top.get("kind")) and isinstance(kind.value, Scalar) and kind.value.text != KIND:
        said = f"kind of a file of cases is {KIND}, not {describe(kind.value)}"
        context.add(said, kind.value.span)
        return None
    _refuse_unknown(top, "key of a file of cases", TOP, context)
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        entry = top.get(key)
        if entry is None or not isinstance(entry.value, Scalar) or entry.value.text != wanted:
            context.add(f"{key} of a file of cases is {wanted}", entry.span if entry else top.span)
    users = TableResolver(_numbers(top, "users", context), _numbers(top, "groups", context))
    context = attrs.evolve(context, resolver=_Resolver(users, system))
    entry = top.get("cases")
    items = context.list(entry.value, "cases") if entry else None
    if entry is None:
        context.missing(top, "cases", "a file of cases needs 'cases'")
    elif items is not None and not items.items:
        context.add("cases is empty: add a case", entry.span)
    cases = [_case(item, number, context) for number, item in enumerate(items or (), start=1)]
    return CaseFile(
        path=path,
        policies=_policies(top, path, context),
        cases=tuple(case for case in cases if case is not None),
        resolver=context.resolver,
        links=_links(top, context),
    )


def _refuse_unknown(node: Map, what: str, known: Sequence[str], context: Context) -> None:
    for entry in node:
        if entry.key not in known:
            context.unknown(entry, what, known, {})


def _policies(top: Map, path: Path, context: Context) -> tuple[Path, ...]:
    entry = top.get("policies")
    if entry is None:
        return ()
    items = context.list(entry.value, "policies")
    texts = [context.text(item, "each of policies") for item in items or ()]
    return tuple(path.parent / text for text in texts if text is not None)


def _numbers(top: Map, key: str, context: Context) -> dict[str, int]:
    entry = top.get(key)
    given = context.map(entry.value, key) if entry else None
    found: dict[str, int] = {}
    for each in given or ():
        value = each.value.value if isinstance(each.value, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 0xFFFFFFFF:
            found[each.key] = value
        else:
            context.add(f"{key}.{each.key} must be a number, not {describe(each.value)}", each.span)
    return found


def _links(top: Map, context: Context) -> dict[bytes, bytes]:
    entry = top.get("links")
    if entry is None:
        return dict(_LINKS)
    given = context.map(entry.value, "links")
    found: dict[bytes, bytes] = {}
    for each in given or ():
        target = context.text(each.value, f"links.{each.key}")
        if not each.key.startswith("/") or each.key.endswith("/"):
            context.add(f"{each.key!r} must be the absolute path of a link", each.span)
        elif target is not None:
            found[each.key.encode()] = target.encode()
    return found


# ---- One case ---------------------------------------------------------------------------------


def _case(node: Node, number: int, context: Context) -> Case | None:
    item = context.map(node, "a case")
    if item is None:
        return None
    before = len(context.problems.errors)
    entry = item.get("name")
    name = context.text(entry.value, "name") if entry else None
    deed = Map({e.key: e for e in item if _is_of_deed(e, context)}, item.span)
    actor, unknown = read_actor({key: item.get(key) for key in _CASE_ACTOR}, deed, context)
    accesses = read_deed(deed, unknown, context)
    marks = read_marks(item.get("marks"), context)
    earlier = read_earlier(item.get("after"), context)
    expected = _expected(item, context)
    if expected is None or len(context.problems.errors) > before:
        return None
    return Case(
        name=name or f"case {number}",
        span=item.span,
        actor=actor,
        accesses=accesses,
        expected=expected,
        marks=marks,
        earlier=earlier,
    )


def _is_of_deed(entry: Entry, context: Context) -> bool:
    """Tell whether *entry* is about the deed. A misspelt key of the case is not, and is recorded."""
    if entry.key in CASE_KEYS or entry.key in DEED_KEYS:
        return entry.key in DEED_KEYS
    if closest(entry.key, CASE_KEYS, cutoff=_ALIKE) is None:
        return True
    context.unknown(entry, "key of a case", CASE_KEYS, {})
    return False


def _expected(item: Map, context: Context) -> Expected | None:
    entry = item.get("expect")
    if entry is None:
        context.missing(item, "expect", f"a case needs 'expect': {', '.join(VERDICTS)}")
        return None
    verdict = context.word(entry.value, "expect", VERDICTS)
    if verdict is None:
        return None
    values: dict[str, Any] = {"verdict": verdict}
    for key in ("by", "guard", "onError", "errno", "killedBy") if verdict == "nothing" else ():
        if extra := item.get(key):
            context.add(f"{key!r} needs a verdict by a rule: leave it out", extra.span)
    values["rule"] = _rule(item.get("by"), "by", context)
    for key, name in (("guard", "is_guard"), ("onError", "on_error")):
        if flag := item.get(key):
            values[name] = context.boolean(flag.value, key)
    for key, name, table in (("errno", "error", ERRNOS), ("killedBy", "signal", SIGNALS)):
        if named := item.get(key):
            word = context.word(named.value, key, table)
            values[name] = table[word] if word is not None else None
    if audit := item.get("audit"):
        values["audit"] = _audit(audit, context)
    return Expected(**values)


def _rule(entry: Entry | None, what: str, context: Context) -> str | None:
    if entry is None:
        return None
    text = context.text(entry.value, what)
    if text is not None and not re.fullmatch(OF_POLICY, text):
        context.add(
            f"{what} names a policy and a rule, policy/rule, not {describe(entry.value)}",
            entry.value.span,
        )
        return None
    return text


def _audit(entry: Entry, context: Context) -> ExpectedAudit | None:
    given = context.map(entry.value, "audit")
    if given is None:
        return None
    _refuse_unknown(given, "key of audit", AUDIT, context)
    expect = given.get("expect")
    if expect is None:
        context.add("audit needs 'expect'", given.span)
        return None
    word = context.word(expect.value, "audit.expect", VERDICTS)
    rule = _rule(given.get("by"), "audit.by", context)
    return ExpectedAudit(verdict=word, rule=rule) if word is not None else None
