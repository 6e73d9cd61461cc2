# SPDX-License-Identifier: MIT
"""
The words of KubeArmor's policies: keys that are read, and keys that are refused with the reason.
"""

from __future__ import annotations

from enforcer.policy.foreign.kubernetes import SERVER_METADATA
from enforcer.policy.language.sockets import FAMILIES, TYPES
from enforcer.policy.language.sockets import PROTOCOLS as NUMBERS
from enforcer.policy.model.policy import Verb

__all__ = [
    "ACTIONS",
    "HOST_SPEC_KEYS",
    "LEVELS",
    "METADATA_KEYS",
    "METADATA_REFUSED",
    "POD_SPEC_KEYS",
    "POSTURES",
    "PROTOCOLS",
    "REFUSED",
    "SECTION_KEYS",
    "SETTINGS_KEYS",
]

SETTINGS_KEYS = ("severity", "tags", "message", "action")
"""What an item takes from its section, and that from the policy, unless it says it itself."""

SECTION_KEYS: dict[str, tuple[str, ...]] = {
    "process": ("matchPaths", "matchDirectories", "matchPatterns"),
    "file": ("matchPaths", "matchDirectories", "matchPatterns"),
    "network": ("matchProtocols",),
    "capabilities": ("matchCapabilities",),
    "syscalls": ("matchSyscalls", "matchPaths"),
}
"""Sections of ``spec`` with their lists."""

_SPEC_KEYS = (*SECTION_KEYS, *SETTINGS_KEYS)
HOST_SPEC_KEYS = ("nodeSelector", *_SPEC_KEYS)
POD_SPEC_KEYS = ("selector", *_SPEC_KEYS)

ACTIONS = {"allow": Verb.ALLOW, "audit": Verb.LOG, "block": Verb.DENY}
"""``action``, in any case."""

LEVELS = {
    **dict.fromkeys((1, 2, 3), "low"),
    **dict.fromkeys((4, 5, 6), "medium"),
    **dict.fromkeys((7, 8), "high"),
    **dict.fromkeys((9, 10), "critical"),
}
"""``severity`` as the language has it."""

POSTURES = {"audit": Verb.LOG, "block": Verb.DENY}
"""What becomes of what no rule allows, where some rule allows: audit unless it is said."""

_DCCP = 6  # a type, not a protocol
_INET = (FAMILIES["inet"], FAMILIES["inet6"])
_STREAM, _DGRAM, _RAW, _SEQPACKET = (
    TYPES[word] for word in ("stream", "dgram", "raw", "seqpacket")
)


def _protocol(word: str, families: tuple[int, ...], *types: int) -> dict[str, tuple[int, ...]]:
    return {"family": families, "type": types, "protocol": (NUMBERS[word],)}


PROTOCOLS: dict[str, dict[str, tuple[int, ...]]] = {
    "tcp": _protocol("tcp", _INET, _STREAM),
    "udp": _protocol("udp", _INET, _DGRAM),
    "icmp": _protocol("icmp", _INET[:1], _DGRAM, _RAW),
    "icmpv6": _protocol("icmpv6", _INET[1:], _DGRAM, _RAW),
    "sctp": _protocol("sctp", _INET, _STREAM, _SEQPACKET),
    **{word: {"type": (number,)} for word, number in TYPES.items()},
    "dccp": {"type": (_DCCP,)},
    "all": {},
}
"""Protocols, and socket types of any family, as conditions that must all hold."""

# ---- Refused ----------------------------------------------------------------------------------

_NATIVE = "as a rule of kind EnforcerPolicy"

METADATA_KEYS = ("name", "labels", "annotations")
METADATA_REFUSED = {
    "namespace": "a KubeArmorHostPolicy is for hosts, which have no namespace",
    **SERVER_METADATA,
}

REFUSED = {
    "ownerOnly": (
        f"the owner of a file is not compared with who uses it: name users {_NATIVE}, under "
        "process: {uid: …}"
    ),
    "pts": "the terminal of a process is not compared",
    "allowedArgs": (
        "arguments are known only after the program has begun, too late to block: write "
        f"{_NATIVE}, with match: {{args: …}} and action: kill"
    ),
    "matchDNSQueries": (
        f"names are not looked up: write {_NATIVE}, with the operation egress and match: {{address: …}}"
    ),
    "device": "USB devices are not decided on",
    "apparmor": "profiles of AppArmor are loaded by its own tools",
    "presets": (
        f"write what the preset does {_NATIVE}; filelessExec is exec with match: {{fileless: true}}"
    ),
    "selector": "a KubeArmorHostPolicy takes nodeSelector",
    "nodeSelector": "policies for pods take selector",
    "matchVolumeMounts": "it is for SELinux, which is managed by its own tools",
    "selinux": "it is for SELinux, which is managed by its own tools",
}
"""Keys of spec, of sections and of items."""
