# SPDX-License-Identifier: MIT
"""Who acts in a case: a process, its parent and its ancestors, in the words of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer import _abi
from enforcer.libbpf.decision import Identity
from enforcer.policy.language.drift import DRIFT
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import PROCESS_FIELDS, Kind, SubjectFlag
from enforcer.policy.model.workloads import WORKLOAD_FIELDS, Workload
from enforcer.policy.readers import numbers
from enforcer.policy.text.nodes import Map, Scalar, describe
from enforcer.workbench.cases.drift import drift_kinds
from enforcer.workbench.cases.model import Actor
from enforcer.workbench.cases.workload import read_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry, Node

__all__ = ["MAX_ANCESTORS", "read_actor"]

_BINARY: Final = b"/usr/bin/program"
_EVERY_CAPABILITY: Final = (1 << len(CAPABILITIES)) - 1
_IDS: Final = ("uid", "euid", "gid", "egid")
_MAX_CGROUP: Final = _abi.ENF_PATH_MAX
MAX_ANCESTORS: Final = 64


def read_actor(
    parts: Mapping[str, Entry | None], deed: Map, context: Context
) -> tuple[Actor, frozenset[str]]:
    """
    Read ``as``, ``parent`` and ``ancestors``.

    Returns:
        The subject, and the operands that cannot be read.
    """
    unknown = _unknown(deed.get("unknown"), context)
    entry = parts["as"]
    places: list[Workload] = []
    now = _identity(entry.value if entry else None, "as", context, places)
    if "binary" in unknown:
        now = _nameless(now)
    if "trustedCode" in unknown:
        flags = now.flags & ~SubjectFlag.TRUSTED_CODE | SubjectFlag.CODE_UNKNOWN
        now = attrs.evolve(now, flags=flags)
    parent = parts["parent"]
    ancestors = parts["ancestors"]
    above = context.list(ancestors.value, "ancestors") if ancestors else None
    if above is not None and len(above.items) > MAX_ANCESTORS:
        context.add(f"ancestors has {len(above.items)} items, the limit is {MAX_ANCESTORS}",
                    above.span)  # fmt: skip
    actor = Actor(
        now=now,
        parent=_identity(parent.value, "parent", context, places) if parent else None,
        ancestors=tuple(_identity(item, "an ancestor", context, places) for item in above or ()),
        workloads=tuple(places),
    )
    return actor, unknown - {"binary", "trustedCode"}


def _unknown(entry: Entry | None, context: Context) -> frozenset[str]:
    if entry is None:
        return frozenset()
    items = context.list(entry.value, "unknown")
    words = (context.text(item, "each of unknown") for item in items or ())
    return frozenset(word for word in words if word is not None)


def _nameless(who: Identity) -> Identity:
    return attrs.evolve(who, exe=None, flags=who.flags | SubjectFlag.EXE_UNKNOWN)


def _identity(node: Node | None, what: str, context: Context, places: list[Workload]) -> Identity:
    given = context.map(node, what) if node is not None else None
    values: dict[str, Any] = {}
    flags = 0
    groups = [entry for entry in given or () if entry.key in WORKLOAD_FIELDS]
    for entry in given or ():
        if entry in groups:
            continue
        field = PROCESS_FIELDS.get(entry.key)
        if field is None:
            known = (*PROCESS_FIELDS, *WORKLOAD_FIELDS)
            context.unknown(entry, f"field of {what}", known, {})
        elif field.kind is Kind.FLAG:
            if context.boolean(entry.value, entry.key):
                flags |= field.flag or 0
        else:
            with context.problems.catching():
                values[entry.key] = _READERS[entry.key](entry, context)
    if groups:
        span = groups[0].span
        values.setdefault("cgroup", f"/kubepods/{span.line}.{span.column}".encode())
        places.append(Workload(values["cgroup"] or b"/", read_facts(groups, context)))
    return _made({key: value for key, value in values.items() if value is not None}, flags)


def _made(values: dict[str, Any], flags: int) -> Identity:
    """Fill in what is not said: a program of root's, at the top of the cgroups."""
    uid, gid = values.get("uid", 0), values.get("gid", 0)
    euid = values.get("euid", uid)
    cgroup = values.get("unit", values.get("cgroup", b"/"))
    return Identity(
        exe=values.get("binary", _BINARY),
        cgroup=cgroup,
        uid=uid,
        euid=euid,
        gid=gid,
        egid=values.get("egid", gid),
        caps=values.get("capabilities", _EVERY_CAPABILITY if euid == 0 else 0),
        flags=flags | _image_flags(values.get(DRIFT)),
    )


def _image_flags(drift: int | None) -> int:
    """Return what is known of the executable and the image; nothing where a case says nothing."""
    return 0 if drift is None else SubjectFlag.IMAGE | drift << _abi.ENF_SF_DRIFT_AT


# ---- Values -----------------------------------------------------------------------------------


def _path(entry: Entry, context: Context) -> bytes | None:
    text = context.text(entry.value, entry.key)
    if text is not None and not (text.startswith("/") and len(text.encode()) <= _MAX_CGROUP):
        context.add(
            f"{entry.key} must be an absolute path, not {describe(entry.value)}", entry.value.span
        )
        return None
    return text.encode() if text is not None else None


def _unit(entry: Entry, context: Context) -> bytes | None:
    text = context.text(entry.value, entry.key)
    if text is not None and ("/" in text or not text.endswith((".service", ".scope", ".slice"))):
        context.add(
            f"unit must be the name of a unit such as nginx.service, not {describe(entry.value)}",
            entry.value.span,
        )
        return None
    if text is None:
        return None
    return f"/{text}".encode() if text.endswith(".slice") else f"/system.slice/{text}".encode()


def _id(entry: Entry, context: Context) -> int:
    return numbers.one_number(entry.value, PROCESS_FIELDS[entry.key], context.resolver).low


def _capabilities(entry: Entry, context: Context) -> int:
    node = entry.value
    if isinstance(node, Scalar) and node.plain and node.text in {"all", "none"}:
        return _EVERY_CAPABILITY if node.text == "all" else 0
    items: list[Node] = [node] if isinstance(node, Scalar) else []
    if not items:
        items = list(context.list(node, "capabilities") or ())
    return numbers.bits(PROCESS_FIELDS["capabilities"], "any", items).mask


_READERS: Final = {
    "binary": _path,
    "cgroup": _path,
    "unit": _unit,
    "capabilities": _capabilities,
    DRIFT: drift_kinds,
    **dict.fromkeys(_IDS, _id),
}
