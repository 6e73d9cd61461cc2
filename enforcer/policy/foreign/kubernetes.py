# SPDX-License-Identifier: MIT
"""
What Kubernetes adds to any policy: ``nodeSelector``, and what its API server writes.

Whether a policy is for this host is decided by the node labels that can be compared.
"""

from __future__ import annotations

from enforcer.policy.language.symbols import Machine
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, Map, shorten

__all__ = ["SERVER_METADATA", "TOP_REFUSED", "read_nodes"]

_SERVER = "the API server writes it, so leave it out of the file"

SERVER_METADATA = dict.fromkeys(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ),
    _SERVER,
)
"""Keys of metadata that are refused."""
TOP_REFUSED = {"status": _SERVER}
"""Keys of a document that are refused."""

_HOSTNAMES = ("kubernetes.io/hostname", "kubearmor.io/hostname")
_ARCHITECTURE, _SYSTEM = "kubernetes.io/arch", "kubernetes.io/os"
_LABELS = (*_HOSTNAMES, _ARCHITECTURE, _SYSTEM)
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
}
"""Names of uname as Go has them, where they differ."""


def read_nodes(spec: Map, context: Context) -> str:
    """
    Read ``nodeSelector`` of *spec*; that the policy is for another host is an error.

    Returns:
        For which hosts it is, to be put behind its kind; empty for any.
    """
    entry = spec.get("nodeSelector")
    selector = context.map(entry.value, "nodeSelector") if entry else None
    if selector is None:
        return ""
    refuse_unknown(selector, "key of nodeSelector", ("matchLabels",), {}, context)
    given = selector.get("matchLabels")
    labels = context.map(given.value, "matchLabels") if given else None
    found: list[str] = []
    for label in labels or ():
        text = context.text(label.value, label.key)
        if label.key not in _LABELS:
            context.add(
                f"label {shorten(label.key)!r} is not supported by this version, which knows these: "
                f"{', '.join(_LABELS)}: put the policy on the hosts that it is for, without the label",
                label.span,
            )
        elif text is not None and text != "*":
            _compare(label, text, context)
            found.append(f"{label.key}={text}")
    return f" for nodes with {' and '.join(found)}" if found else ""


def _compare(label: Entry, text: str, context: Context) -> None:
    machine = context.resolver.machine
    if machine is None or text in _values(label.key, machine):
        return
    wanted = [word.strip() for word in text.split(",")]
    here = _values(label.key, machine)
    if label.key not in _HOSTNAMES or not any(word in here for word in wanted):
        context.add(
            f"the policy is for nodes with {label.key} {shorten(text)}, and this is {here[0]}: "
            "do not use it on this host, or remove the label",
            label.value.span,
        )


def _values(key: str, machine: Machine) -> tuple[str, ...]:
    """Return what the label may say for *machine* to be meant."""
    if key in _HOSTNAMES:
        return (machine.name, machine.name.partition(".")[0])
    if key == _ARCHITECTURE:
        return (_ARCHITECTURES.get(machine.architecture, machine.architecture),)
    return ("linux",)
