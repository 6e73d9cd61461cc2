# SPDX-License-Identifier: MIT
"""
The words of tracing policies: keys that are read, and keys that are refused with the reason.
"""

from __future__ import annotations

__all__ = [
    "ACTIONS",
    "ACTION_KEYS",
    "ACTION_REFUSED",
    "ARG_KEYS",
    "ARG_REFUSED",
    "FILTERS",
    "HOOK_KEYS",
    "METADATA_KEYS",
    "RESULT_ACTIONS",
    "SELECTOR_KEYS",
    "SELECTOR_REFUSED",
    "SPEC_KEYS",
    "SPEC_REFUSED",
]

_NATIVE = "as a rule of kind EnforcerPolicy"
_RESULTS = "write a selector with matchReturnArgs and matchActions"
_RECORDS = "records always have the same content"
_LIMITS = (
    "it limits records with the same arguments; the rateLimit of an EnforcerPolicy limits those "
    "of a rule, with any arguments"
)
_SOCKETS = "sockets are not tracked: rules on network operations know the acting process"
_USER_SPACE = "functions in user space are not decided on, only what programs ask of the kernel"

SPEC_KEYS = (
    "kprobes",
    "fentries",
    "tracepoints",
    "lsmhooks",
    "lists",
    "enforcers",
    "options",
    "selectorsMacros",
    "nodeSelector",
    "podSelector",
    "containerSelector",
)
SPEC_REFUSED = {
    "uprobes": _USER_SPACE,
    "usdts": _USER_SPACE,
    "loader": "the build ids of loaded files are not recorded",
    "hostSelector": (
        "a policy is for pods or for everybody: leave it out, or convert the policy and give its rules "
        'notProcess: {pod: {name: "*"}}'
    ),
}

METADATA_KEYS = ("name", "labels", "annotations")

_COMMON = ("message", "tags", "args", "selectors")
_FUNCTION = (
    *("call", "syscall", "return", "returnArg", "returnArgAction", "ignore", "data"),
    *_COMMON,
)
HOOK_KEYS = {
    "kprobes": _FUNCTION,
    "fentries": _FUNCTION,
    "tracepoints": ("subsystem", "event", "raw", *_COMMON),
    "lsmhooks": ("hook", *_COMMON),
}
"""Lists of hooks under ``spec`` with the keys of their items."""

RESULT_ACTIONS = {
    "TrackSock": _SOCKETS,
    "UntrackSock": _SOCKETS,
}
"""Values of ``returnArgAction`` that are refused; ``Post`` asks for a record, as always."""

ARG_KEYS = (
    *("index", "type", "label"),
    *("resolve", "sizeArgIndex", "returnCopy", "maxData"),
)
_CASTS = "the type is taken from the kernel's own description of the function"
ARG_REFUSED = {
    "btfType": _CASTS,
    "btfTypeModule": _CASTS,
    "source": "it is for data, and only the user and group ids of current_task are known",
}

FILTERS = (
    "matchArgs",
    "matchReturnArgs",
    "matchData",
    "matchBinaries",
    "matchParentBinaries",
    "matchCapabilities",
)
SELECTOR_KEYS = (*FILTERS, "matchActions", "macros", "label")
SELECTOR_REFUSED = {
    "matchPIDs": (
        "process ids are used again, so they are not compared: name the process with "
        "matchBinaries, with followChildren for what it starts"
    ),
    "matchNamespaces": (
        "the namespaces of a process are not compared: convert the policy and name a unit, cgroup "
        "or user under process"
    ),
    "matchNamespaceChanges": (
        "namespaces are not compared with those at the exec: write a rule on setns, unshare and "
        "clone, or on userns_create"
    ),
    "matchCapabilityChanges": (
        "capabilities are not compared with those at the exec: write a rule on capset and "
        f"task_fix_setuid, or exec with match: {{fileCapabilities: true}} {_NATIVE}"
    ),
    "matchReturnActions": _RESULTS,
    "matchWorkloads": "pods are selected for the whole policy, with podSelector under spec",
}

ACTIONS = ("Post", "NoPost", "Sigkill", "Signal", "Override", "NotifyEnforcer")
ACTION_KEYS = {
    "Post": ("kernelStackTrace", "userStackTrace", "imaHash"),
    "NoPost": (),
    "Sigkill": (),
    "Signal": ("argSig",),
    "Override": ("argError",),
    "NotifyEnforcer": ("argError", "argSig"),
}
"""Actions with what they take."""

_TRACK = "sockets are not tracked: rules on network operations know the acting process"
_DESCRIPTORS = "descriptors are not followed: rules on files know the path of each"
ACTION_REFUSED = {
    "GetUrl": "enforcer fetches nothing: let the reader of the records do that",
    "DnsLookup": "enforcer looks nothing up: let the reader of the records do that",
    "TrackSock": _TRACK,
    "UntrackSock": _TRACK,
    "FollowFD": _DESCRIPTORS,
    "UnfollowFD": _DESCRIPTORS,
    "CopyFD": _DESCRIPTORS,
    "Set": _USER_SPACE,
    "CleanupEnforcerNotification": "nothing needs to be cleaned up: leave it out",
    "rateLimit": _LIMITS,
    "rateLimitScope": _LIMITS,
    "kernelStackTrace": _RECORDS,
    "userStackTrace": _RECORDS,
    "imaHash": _RECORDS,
    "argRegs": _USER_SPACE,
    "argNewSymbol": _USER_SPACE,
    "argNewAddr": _USER_SPACE,
    "argNewOffset": _USER_SPACE,
    "argUrl": "enforcer fetches nothing: let the reader of the records do that",
    "argFqdn": "enforcer looks nothing up: let the reader of the records do that",
    "argSock": _TRACK,
}
"""Actions, and keys of them."""
