# SPDX-License-Identifier: MIT
"""
Words of the language's design, and of other languages, that this version does not support.

Each is refused by name, with what to write instead, so that it is not mistaken for a misspelling.
"""

from __future__ import annotations

__all__ = [
    "EVENT_WORDS",
    "KINDS",
    "MATCH_WORDS",
    "METADATA_WORDS",
    "OPERATION_WORDS",
    "OTHER_KINDS",
    "RULE_WORDS",
    "SPEC_WORDS",
    "SUBJECT_WORDS",
]

_BY_MEANING = "use an event by meaning, as exec or file, or one by mechanism: syscall, lsm, kprobe, tracepoint"
_AT_END = "write kprobe: {function: NAME, at: return}"
_PODS = (
    "write container: {id, name, image, runtime} or pod: {name, namespace, labels}, or select by unit, "
    "cgroup, binary or user"
)
_MARKS = "mark in a rule sets a mark; within or notWithin under match asks for it"

EVENT_WORDS = {
    "lsmhooks": "write lsm: HOOK",
    "kretprobe": _AT_END,
    "fexit": _AT_END,
    "raw_tracepoint": "write tracepoint: {event: NAME, raw: true}",
    "uprobe": _BY_MEANING,
    "usdt": _BY_MEANING,
    "fentry": _BY_MEANING,
}
RULE_WORDS = {**EVENT_WORDS, "within": _MARKS, "notWithin": _MARKS}
SUBJECT_WORDS = {
    **dict.fromkeys(
        (
            "pods",
            "podName",
            "podSelector",
            "podNamespace",
            "namespaceSelector",
            "containers",
            "containerName",
            "containerSelector",
            "image",
            "labels",
            "matchLabels",
            "matchExpressions",
            "nodeSelector",
            "hostSelector",
        ),
        _PODS,
    ),
    "namespace": _PODS,
    "namespaces": _PODS,
    "within": _MARKS,
    "notWithin": _MARKS,
    "mark": _MARKS,
}
MATCH_WORDS = {
    **SUBJECT_WORDS,
    "returns": (
        "a result is known at the end of a function: write kprobe: {function: NAME, at: return}"
    ),
}
SPEC_WORDS = {
    **dict.fromkeys(SUBJECT_WORDS, f"under selector, {_PODS}"),
    **dict.fromkeys(
        ("kprobes", "tracepoints", "uprobes", "lsmhooks", "usdts", "loader", "options", "lists"),
        "rules are written under rules, by an event as exec, file or syscall",
    ),
    "rateLimit": "rateLimit is of one rule: write it there",
}
METADATA_WORDS = {
    "annotations": "use labels or description",
}
OPERATION_WORDS = {
    "umount": "write unmount, of the event mount",
    "ioctl": "ioctl is not decided on yet",
    "lock": "file locks are not decided on",
    "getattr": "reading a file's metadata is not decided on",
    "stat": "reading a file's metadata is not decided on",
    "exec": "running a program is the event exec",
    "execute": "running a program is the event exec",
    "receive": "rules on receiving do not exist: use accept, or send on the side of the sender",
    "recv": "rules on receiving do not exist: use accept, or send on the side of the sender",
    "shutdown": "closing a connection is not decided on",
}
OTHER_KINDS = {
    "List": "write each of its items as a document, with --- between them",
    "EnforcerCases": "it has cases for enforcer test, name it *.cases.yaml",
}
KINDS = {
    "KubeArmorNetworkPolicy": (
        "it filters packets, not processes: leave that to a firewall, or write rules on network "
        "operations as kind EnforcerPolicy"
    ),
}
