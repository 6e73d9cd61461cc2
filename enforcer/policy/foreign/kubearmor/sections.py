# SPDX-License-Identifier: MIT
"""
The sections ``process``, ``file``, ``network``, ``capabilities`` and ``syscalls`` to drafts of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from enforcer.policy.foreign.kubearmor.drafts import Draft, Item
from enforcer.policy.foreign.kubearmor.keys import (
    PROTOCOLS,
    REFUSED,
    SECTION_KEYS,
    SETTINGS_KEYS,
)
from enforcer.policy.foreign.kubearmor.reading import PATH, Reading, items
from enforcer.policy.foreign.kubearmor.settings import Settings
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import EVENTS, FIELDS, LIFTED_SYSCALLS
from enforcer.policy.model.policy import Condition, Interval, Text, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.readers.syscalls import CALL, named
from enforcer.policy.readers.texts import glob_text
from enforcer.policy.readers.values import text_form
from enforcer.policy.text.nodes import Entry, List, Map, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["read_section"]

_READ = ("read", "mmapExec")
_CAPABILITY = FIELDS["capability"]


def read_section(
    entry: Entry, settings: Settings, context: Context
) -> tuple[Settings, list[Draft]]:
    """
    Read the section *entry* of spec; *settings* are the policy's.

    Returns:
        The section's own settings, and what its items mean.
    """
    section = context.map(entry.value, entry.key)
    if section is None:
        return settings, []
    inherited = tuple(k for k in SETTINGS_KEYS if k != "action" or entry.key != "syscalls")
    lists = SECTION_KEYS[entry.key]
    refuse_unknown(section, f"key of {entry.key}", (*lists, *inherited), REFUSED, context)
    if not any(key in lists for key in section.entries):
        context.add(f"{entry.key} is empty: give it {' or '.join(lists)}", section.span)
    settings = settings.refine(section, context)
    drafts: list[Draft] = []
    for key in lists:
        given = section.get(key)
        for number, node in enumerate(items(given, context) if given else (), start=1):
            name = f"{entry.key}.{key}.{number}"
            drafts += _ITEMS[entry.key, key](Reading(name, entry.key, settings, context), node)
    return settings, drafts


def _at(texts: tuple[Text, ...], span: Span) -> tuple[Condition, ...]:
    return (Condition(PATH, texts, span=span),)


# ---- process and file -------------------------------------------------------------------------


def _process_path(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("path", "execname", "ownerOnly", "pts"), sources=("path",))
    path, name = node.get("path"), node.get("execname")
    if path and name:
        reading.context.add("path and execname are two programs: write two items", name.span)
    elif path:
        yield from _execs(item, reading.exact(path), path)
    elif name:
        yield from _execs(item, reading.program(name), name)
    else:
        reading.context.add(f"an item of {reading.place} needs path or execname", node.span)


def _process_directory(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("dir", "recursive", "ownerOnly", "pts"), sources=("path",))
    recursive = reading.flag(node, "recursive")
    if entry := reading.required(node, "dir"):
        yield from _execs(item, reading.directory(entry, recursive=recursive), entry)


def _process_pattern(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("pattern", "ownerOnly"))
    if entry := reading.required(node, "pattern"):
        yield from _execs(item, reading.pattern(entry), entry)


def _execs(item: Item, texts: tuple[Text, ...], entry: Entry) -> Iterator[Draft]:
    if texts:
        yield Draft(item, "exec", ("exec",), _at(texts, entry.value.span))


def _file_path(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("path", "readOnly", "ownerOnly", "pts"), sources=("path",))
    read_only = reading.flag(node, "readOnly")
    entry = reading.required(node, "path")
    if entry and (texts := reading.exact(entry)):
        yield from _uses(item, _at(texts, entry.value.span), read_only=read_only)


def _file_directory(reading: Reading, node: Map) -> Iterator[Draft]:
    keys = ("dir", "recursive", "readOnly", "ownerOnly", "pts")
    item = reading.item(node, keys, sources=("path",))
    recursive, read_only = reading.flag(node, "recursive"), reading.flag(node, "readOnly")
    entry = reading.required(node, "dir")
    if not entry or not (below := reading.directory(entry, recursive=recursive)):
        return
    span = entry.value.span
    directory = below[0].value.decode().rstrip("*")
    if directory == "/":
        # All of it is everything, with a name or without.
        yield from _uses(item, () if recursive else _at(below, span), read_only=read_only)
        return
    # Who lists or removes a directory acts on what lies in it.
    itself = glob_text(directory.rstrip("/"), text_form(PATH), span)
    yield from _uses(item, _at((itself, *below), span), read_only=read_only)


def _file_pattern(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("pattern", "readOnly", "ownerOnly"))
    read_only = reading.flag(node, "readOnly")
    entry = reading.required(node, "pattern")
    if entry and (texts := reading.pattern(entry)):
        yield from _uses(item, _at(texts, entry.value.span), read_only=read_only)


def _uses(item: Item, conditions: tuple[Condition, ...], *, read_only: bool) -> Iterator[Draft]:
    """Yield drafts of a file: *read_only* permits reading and refuses the rest, whatever the action."""
    if not read_only:
        yield Draft(item, "file", ("any",), conditions)
    elif item.settings.verb is Verb.ALLOW:
        yield Draft(item, "file", ("modify",), conditions, Verb.DENY, ".modify")
        yield Draft(item, "file", _READ, conditions)
    else:
        yield Draft(item, "file", ("modify",), conditions)
        yield Draft(item, "file", _READ, conditions, Verb.ALLOW, ".read", beside_allow=True)


# ---- network, capabilities, syscalls ----------------------------------------------------------


def _protocol(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("protocol", "pts"), sources=("path",))
    entry = reading.required(node, "protocol")
    words = reading.words(entry) if entry else []
    for word in words:
        form = PROTOCOLS.get(word.lower())
        if form is not None:
            suffix = f".{word.lower()}" if len(words) > 1 else ""
            yield Draft(item, "network", ("any",), _numbers(form, entry), suffix=suffix)
        elif entry:
            hint = suggest(word, PROTOCOLS) or f": known are {', '.join(PROTOCOLS)}"
            reading.context.add(f"{shorten(word)!r} is not a protocol{hint}", entry.value.span)


def _numbers(form: dict[str, tuple[int, ...]], entry: Entry | None) -> tuple[Condition, ...]:
    span = entry.value.span if entry else None
    return tuple(
        Condition(FIELDS[name], tuple(Interval(n, n) for n in numbers), span=span)
        for name, numbers in form.items()
    )


def _capability(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("capability",), sources=("path",))
    entry = reading.required(node, "capability")
    words = reading.words(entry) if entry else []
    for word in words:
        if entry is None:
            break
        name = word.lower().removeprefix("cap_")
        number = _CAPABILITY.names.get(name)
        if number is None:
            hint = suggest(name, _CAPABILITY.names)
            reading.context.add(f"{shorten(word)!r} is not a capability{hint}", entry.value.span)
            continue
        used = Condition(_CAPABILITY, (Interval(number, number),), span=entry.value.span)
        suffix = f".{name}" if len(words) > 1 else ""
        yield Draft(item, "process", ("capability",), (used,), suffix=suffix)


def _syscall(reading: Reading, node: Map) -> Iterator[Draft]:
    item = reading.item(node, ("syscall",), sources=("path", "dir", "recursive"))
    yield from _calls(reading, item, node, ())


def _syscall_path(reading: Reading, node: Map) -> Iterator[Draft]:
    keys = ("syscall", "path", "recursive")
    item = reading.item(node, keys, sources=("path", "dir", "recursive"))
    recursive = reading.flag(node, "recursive")
    if entry := reading.required(node, "path"):
        is_directory = isinstance(entry.value, Scalar) and entry.value.text.endswith("/")
        if recursive and not is_directory:
            reading.context.add("recursive is for a path that ends in /", entry.value.span)
        if is_directory:
            texts = reading.directory(entry, recursive=recursive)
        else:
            texts = reading.exact(entry)
        yield from _calls(reading, item, node, _at(texts, entry.value.span))


def _calls(
    reading: Reading, item: Item, node: Map, conditions: tuple[Condition, ...]
) -> Iterator[Draft]:
    """Yield one draft for each system call: only recorded, whatever the action of the policy."""
    entry = reading.required(node, "syscall")
    names = reading.context.list(entry.value, "syscall") if entry else None
    if names is not None and not names.items:
        reading.context.add("syscall is an empty list: name system calls", names.span)
    seen: set[str] = set()
    for name in names or List((), node.span):
        word = name.text if isinstance(name, Scalar) else ""
        if word not in SYSCALLS:
            reading.context.add(
                f"{describe(name)} is not a system call{suggest(word, SYSCALLS)}", name.span
            )
        elif word in seen:
            reading.context.add(f"system call {word} is given twice", name.span)
        elif conditions and not _has_path(word):
            reading.context.add(
                f"{word} is not decided by the path of a file: put it under matchSyscalls",
                name.span,
            )
        else:
            seen.add(word)
            yield _call(item, word, conditions, name.span)


def _has_path(word: str) -> bool:
    """Tell whether the kernel knows a file where the call *word* is decided."""
    lift = LIFTED_SYSCALLS.get(word)
    if lift is None or lift.event == "network":
        return False
    known = EVENTS[lift.event].operations
    return all("path" in known[operation].fields for operation in lift.operations.split())


def _call(item: Item, word: str, conditions: tuple[Condition, ...], span: Span) -> Draft:
    lift = LIFTED_SYSCALLS.get(word)
    if lift is not None:
        operations = tuple(lift.operations.split())
        return Draft(item, lift.event, operations, conditions, Verb.LOG, f".{word}", word)
    call = SYSCALLS[word]
    return Draft(
        item,
        "syscall",
        (CALL.name,),
        (named((call,), span),),
        Verb.LOG,
        f".{word}",
        word,
        (call,),
    )


_ITEMS: dict[tuple[str, str], Callable[[Reading, Map], Iterator[Draft]]] = {
    ("process", "matchPaths"): _process_path,
    ("process", "matchDirectories"): _process_directory,
    ("process", "matchPatterns"): _process_pattern,
    ("file", "matchPaths"): _file_path,
    ("file", "matchDirectories"): _file_directory,
    ("file", "matchPatterns"): _file_pattern,
    ("network", "matchProtocols"): _protocol,
    ("capabilities", "matchCapabilities"): _capability,
    ("syscalls", "matchSyscalls"): _syscall,
    ("syscalls", "matchPaths"): _syscall_path,
}
