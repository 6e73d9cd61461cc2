# SPDX-License-Identifier: MIT
"""
The custom resource definitions of enforcer, as an API server of Kubernetes takes them.

``python -m enforcer.policy.schema.crd --write packaging/kubernetes`` renews the files; without ``--write`` it
prints all of them. Their schemas come from the same tables as the schema for editors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from enforcer.policy.language.kube import (
    CLUSTER_POLICY,
    GROUP,
    NODE,
    POLICY,
    TETRAGON_POLICY,
    KubeKind,
)
from enforcer.policy.language.vocabulary import FIELDS, PROCESS_FIELDS, FieldSpec, Kind
from enforcer.policy.model.workloads import WORKLOAD_FIELDS
from enforcer.policy.readers.metadata import POLICY_NAME
from enforcer.policy.schema import policy as for_editors
from enforcer.policy.schema.fragments import Schema, list_of
from enforcer.policy.schema.kube_status import node_status, policy_status
from enforcer.policy.schema.points import POINT_EVENTS
from enforcer.policy.schema.structural import PRESERVE, Structural
from enforcer.policy.schema.values import SCALAR, value

__all__ = ["DEFINITIONS", "MAX_TENANT_RULES", "definition", "files", "spec_schema"]

MAX_TENANT_RULES: Final = 256
"""Rules of one policy of a namespace: the quota of all its policies together, so no policy can have more."""

_CATEGORY = "enforcer"
_ROLE = {"app.kubernetes.io/name": "enforcer", "app.kubernetes.io/component": "api"}
_UNIQUE_NAMES = {
    "rule": (
        "self.all(rule, !has(rule.name)"
        " || self.exists_one(other, has(other.name) && other.name == rule.name))"
    ),
    "message": "names of rules are unique in a policy",
}


@attrs.frozen
class Definition:
    """One definition: what it defines, the file that has it, and what people see of it."""

    kind: KubeKind
    doc: str
    columns: tuple[tuple[str, str, str, str], ...]
    """Name, type, path, description of a column of ``kubectl get``."""

    @property
    def file_name(self) -> str:
        """Folder and name of its file. A group of others has a folder of its own: a cluster may have it already."""
        folder = "crds" if self.kind.group == GROUP else "crds-of-others"
        return f"{folder}/{self.kind.resource}.yaml"


_AGE = ("Age", "date", ".metadata.creationTimestamp", "When it was made.")
_POLICY_COLUMNS = (
    ("Mode", "string", ".spec.mode", "enforce if empty, or audit."),
    ("Rollout", "string", ".status.rollout", "Where it is enforced: all, or which nodes."),
    ("Enforcing", "integer", ".status.nodes.enforcing", "Nodes on which it refuses."),
    ("Active", "integer", ".status.nodes.active", "Nodes on which it decides, audit included."),
    ("Nodes", "integer", ".status.nodes.total", "Nodes that reported."),
    ("Denials", "integer", ".status.denials", "Operations that it denied or killed."),
    _AGE,
)
_NODE_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether it enforces."),
    ("Mode", "string", ".status.mode", "enforce or audit."),
    ("Version", "string", ".status.version", "Version of enforcer."),
    ("Kernel", "string", ".status.kernel", "Release of the kernel."),
    ("Lost", "integer", ".status.lost", "Records that were lost."),
    ("Seen", "date", ".status.lastSeen", "When it reported for the last time."),
)

DEFINITIONS: Final = (
    Definition(
        POLICY,
        "What programs in the pods of this namespace may do.",
        _POLICY_COLUMNS,
    ),
    Definition(
        CLUSTER_POLICY,
        "What programs may do on every node, in pods and beside them.",
        _POLICY_COLUMNS,
    ),
    Definition(
        NODE,
        "What enforcer is and does on the node of the same name. The agent of the node writes it.",
        _NODE_COLUMNS,
    ),
    Definition(
        TETRAGON_POLICY,
        "The same language as EnforcerPolicy, for the pods of this namespace.",
        _POLICY_COLUMNS,
    ),
)


def files() -> dict[str, str]:
    """Return the text of each definition by the name of its file."""
    return {each.file_name: _text(definition(each)) for each in DEFINITIONS}


def definition(of: Definition) -> dict[str, Any]:
    """Return one custom resource definition."""
    kind = of.kind
    names: dict[str, Any] = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
    }
    if kind.short:
        names["shortNames"] = [kind.short]
    names["categories"] = [_CATEGORY]
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path, "description": text}
            for name, type_, path, text in of.columns
        ],
        "schema": {"openAPIV3Schema": _whole(of)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.resource, "labels": dict(_ROLE)},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": names,
            "versions": [version],
        },
    }


def spec_schema(*, of_namespace: bool) -> Schema:
    """
    Return the schema of a policy's ``spec``.

    Args:
        of_namespace: the policy is for one namespace: it has no rules at points of the kernel, and so few
            that the server can afford to compare their names.
    """
    whole = for_editors.schema()
    definitions = whole["$defs"] | dict(_values())
    spec = Structural(definitions).write({"$ref": "#/$defs/spec"})
    rules = spec["properties"]["rules"]
    # Whoever writes only some rules of a policy changes what the others mean.
    rules["x-kubernetes-list-type"] = "atomic"
    if of_namespace:
        rules["maxItems"] = MAX_TENANT_RULES
        rules["x-kubernetes-validations"] = [_UNIQUE_NAMES]
        item = rules["items"]
        item["oneOf"] = [each for each in item["oneOf"] if each["required"][0] not in POINT_EVENTS]
        for event in POINT_EVENTS:
            del item["properties"][event]
    return spec


def _whole(of: Definition) -> Schema:
    if of.kind is NODE:
        parts: Schema = {
            "spec": {"type": "object", "description": "Empty."},
            "status": node_status(),
        }
        required = []
    else:
        spec = spec_schema(of_namespace=of.kind.namespaced)
        parts = {
            "spec": {"description": "To whom it applies, and the rules.", **spec},
            "status": policy_status(),
        }
        required = ["spec"]
    name: Schema = {"type": "string", "maxLength": 253 if of.kind is NODE else 63}
    if of.kind is not NODE:
        name["pattern"] = f"^{POLICY_NAME.pattern}$".replace("(?:", "(")
    out: Schema = {
        "type": "object",
        PRESERVE: True,
        "description": of.doc,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": name}},
            **parts,
        },
    }
    return out | ({"required": required} if required else {})


def _values() -> Iterator[tuple[str, Schema]]:
    """Yield shorter definitions of what stands at a field: all operators take the same, so none is listed."""
    workloads = [field for fields in WORKLOAD_FIELDS.values() for field in fields.values()]
    for field in (*FIELDS.values(), *PROCESS_FIELDS.values(), *workloads):
        if field.kind in {Kind.FLAG, Kind.ARGS, Kind.DRIFT}:
            continue
        one = _one(field)
        several = {"anyOf": [one, list_of(one)]}
        operators = {"type": "object", "additionalProperties": several, "minProperties": 1}
        yield for_editors.definition_of(field), {"anyOf": [one, list_of(one), operators]}


def _one(field: FieldSpec) -> Schema:
    # The digits of a mode are octal. A client makes another number of 0644 unless it has quotes.
    return SCALAR if field.kind is Kind.MODE else value(field)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _text(document: dict[str, Any]) -> str:
    head = "# SPDX-License-Identifier: MIT\n# Made by: python -m enforcer.policy.schema.crd --write packaging/kubernetes\n"
    return head + yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=120,
    )


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--write"]:
        folder = Path(arguments[1])
        for name, text in files().items():
            (folder / name).write_text(text, "utf-8")
    else:
        sys.stdout.write("---\n".join(files().values()))


if __name__ == "__main__":
    _main(sys.argv[1:])
