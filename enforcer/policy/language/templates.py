# SPDX-License-Identifier: MIT
"""
Message templates: ``{placeholder}`` in the text of a policy or rule, filled in when a record is made.

``{{`` and ``}}`` stand for the braces themselves. A value that is not known renders as ``-``. What is too
long is cut, and ends with ``…``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from enforcer.errors import PolicyError
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["MAX_LENGTH", "MAX_MESSAGE", "MAX_VALUE", "PLACEHOLDERS", "error", "render"]

MAX_LENGTH = 1024
"""Characters of a template."""

MAX_VALUE, MAX_MESSAGE = 512, 4096
"""Characters of what stands for a placeholder, and of a message: processes choose how long values are."""

MISSING = "-"
_CUT = "…"

PLACEHOLDERS: dict[str, str] = {
    "policy": "Name of the policy.",
    "rule": "Name of the rule.",
    "severity": "Severity of the rule.",
    "action": "allow, log, deny or kill.",
    "operation": "Operation as policies name it, such as file.write.",
    "syscall": "System call that the rule names or that the operation comes from.",
    "errno": "Error that the operation returned, by name.",
    "signal": "Signal that was sent, by name.",
    "process": "Name of the process as the kernel keeps it (comm).",
    "binary": "Executable of the process.",
    "pid": "Process id on the host.",
    "tid": "Thread id on the host.",
    "uid": "Real user number.",
    "euid": "Effective user number.",
    "gid": "Real group number.",
    "egid": "Effective group number.",
    "user": "Name of the real user.",
    "group": "Name of the real group.",
    "parent": "Name of the parent process (comm).",
    "parent_binary": "Executable of the parent process.",
    "ppid": "Process id of the parent.",
    "cgroup": "cgroup path of the process.",
    "unit": "systemd unit of the process.",
    "path": "Path of the file, or of the unix socket.",
    "args": "Arguments of the new program.",
    "mode": "Permission bits, octal.",
    "xattr": "Name of the extended attribute.",
    "address": "IP address.",
    "port": "Port number.",
    "family": "Socket family.",
    "type": "Socket type.",
    "protocol": "Protocol.",
    "abstract": "Abstract unix socket name.",
    "source": "What is mounted, as the caller wrote it.",
    "operands": "What it was done with: signal, user, capability, command, mount options.",
    "fs_type": "Type of the file system.",
    "container_id": "Container id.",
    "container_name": "Container name.",
    "image": "Image of the container.",
    "pod_name": "Pod name.",
    "pod_namespace": "Namespace of the pod.",
}
"""Every placeholder, with its meaning."""

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def error(template: str, span: Span) -> PolicyError | None:
    """Return what is wrong with *template*: an unknown placeholder, a single brace; or None."""
    try:
        _parse(template, span)
    except PolicyError as found:
        return found
    return None


def render(template: str, values: Mapping[str, str]) -> str:
    """
    Fill *template* in; what *values* has not, or has as nothing, becomes ``-``.

    No value keeps another one out of a message, unless there are many long ones.
    """
    parts, room = [], MAX_MESSAGE
    for text, name in _parts(template):
        part = text if name is None else _within(MAX_VALUE, values.get(name) or MISSING)
        parts.append(part)
        room -= len(part)
        if room < 0:
            break
    return _within(MAX_MESSAGE, "".join(parts))


def _within(limit: int, text: str) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _CUT


@functools.lru_cache(maxsize=1024)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return _parse(template, None)


def _parse(template: str, span: Span | None) -> tuple[tuple[str, str | None], ...]:
    """Split into (literal text, None) and ("", placeholder name)."""
    parts: list[tuple[str, str | None]] = []
    for found in _PART.finditer(template):
        text, name = found[0], found[1]
        if text in {"{{", "}}"}:
            parts.append((text[0], None))
        elif text in {"{", "}"}:
            msg = f"a single {text} in the message: write {text * 2} for the character itself"
            raise PolicyError(msg, span)
        elif name is None:
            parts.append((text, None))
        elif name in PLACEHOLDERS:
            parts.append(("", name))
        else:
            hint = suggest(name, PLACEHOLDERS) or f" (known: {', '.join(PLACEHOLDERS)})"
            msg = f"unknown placeholder {{{name}}} in the message{hint}"
            raise PolicyError(msg, span)
    return tuple(parts)
