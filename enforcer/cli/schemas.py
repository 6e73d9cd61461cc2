# SPDX-License-Identifier: MIT
"""
The list of schemas: of what commands print as JSON, of the lines of logs, and of what enforcer reads.

Each is made of the types or tables by which the code itself goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cli import document_types as documents
from enforcer.cli import plugin_documents as of_plugin
from enforcer.cli.config_schema import schema as of_config
from enforcer.cli.typed_schema import schema_of
from enforcer.events.schema import schema as of_record
from enforcer.policy.schema.fragments import DIALECT, Schema
from enforcer.policy.schema.policy import schema as of_policy
from enforcer.runtime.control.answers import ChangeAnswer, Confirmation
from enforcer.runtime.policies.results import ResultsDocument
from enforcer.workbench.cases.schema import schema as of_cases
from enforcer.workbench.dryrun.document_types import ReportDocument
from enforcer.workbench.explain.document_types import ExplanationDocument

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DOCUMENTS", "SCHEMAS", "NamedSchema", "schema"]


@attrs.frozen
class NamedSchema:
    """
    A schema, and of what it is.

    Attributes:
        of: what has this form, for people.
        make: makes it; strict if asked to, as ``schema_of`` says.
    """

    of: str
    make: Callable[[bool], Schema]


def _typed(kind: Any) -> Callable[[bool], Schema]:
    return lambda is_strict: schema_of(kind, is_strict=is_strict)


def _answer(kind: Any) -> Callable[[bool], Schema]:
    """Return what makes the schema of an answer of the daemon, which gets its version when it is printed."""

    def make(is_strict: bool) -> Schema:  # noqa: FBT001 - as all of these
        head = schema_of(documents.Versioned, is_strict=is_strict)
        made = schema_of(kind, is_strict=is_strict)
        made["properties"] = {**head["properties"], **made["properties"]}
        made["required"] = [*head["required"], *made["required"]]
        return made

    return make


def _events(is_strict: bool) -> Schema:  # noqa: FBT001 - as all of these
    return {
        "if": {"properties": {"kind": {"const": "skipped"}}},
        "then": schema_of(documents.SkippedDocument, is_strict=is_strict),
        "else": of_record(is_strict=is_strict),
    }


DOCUMENTS: Final = {
    "check": NamedSchema("`check`", _typed(documents.CheckDocument)),
    "convert": NamedSchema("`convert`", _typed(documents.ConvertDocument)),
    "test": NamedSchema("`test`", _typed(documents.TestDocument)),
    "dry-run": NamedSchema("`dry-run`", _typed(ReportDocument)),
    "recording": NamedSchema("`record`", _typed(documents.RecordingDocument)),
    "explain": NamedSchema("`explain`", _typed(ExplanationDocument)),
    "doctor": NamedSchema("`doctor`", _typed(documents.DoctorDocument)),
    "status": NamedSchema("`status`", _typed(documents.StatusDocument)),
    "change": NamedSchema(
        "`reload`, and of `policy add`, `remove`, `enable`, `disable` and `set-mode`",
        _answer(ChangeAnswer),
    ),
    "confirm": NamedSchema("`confirm`", _answer(Confirmation)),
    "policy-list": NamedSchema("`policy list`", _typed(documents.PolicyListDocument)),
    "policy-show": NamedSchema("`policy show`", _typed(documents.PolicyShowDocument)),
    "stop": NamedSchema("`stop`", _typed(documents.StopDocument)),
    "container-hook": NamedSchema("`container-hook status`", _typed(documents.HookDocument)),
    "key": NamedSchema("`key`", _typed(documents.KeyDocument)),
    "unlock": NamedSchema("`unlock`", _typed(documents.UnlockDocument)),
    "version": NamedSchema("`version`", _typed(documents.VersionDocument)),
    "kubectl-status": NamedSchema("`kubectl enforcer status`", _typed(of_plugin.ClusterDocument)),
    "kubectl-dry-run": NamedSchema(
        "`kubectl enforcer dry-run`", _typed(of_plugin.ClusterDryRunDocument)
    ),
    "schemas": NamedSchema("`schema` without a name", _typed(documents.SchemasDocument)),
}
"""What commands print with ``-o json``: one object."""

SCHEMAS: Final = {
    "policy": NamedSchema("a policy", lambda _: of_policy()),
    "cases": NamedSchema("a file of cases for `test`", lambda _: of_cases()),
    "config": NamedSchema("the configuration", lambda _: of_config()),
    "record": NamedSchema(
        "a line of a log of records in JSON", lambda is_strict: of_record(is_strict=is_strict)
    ),
    "events": NamedSchema("a line of `events -o json`", _events),
    "kubectl-events": NamedSchema(
        "a line of `kubectl enforcer events -o json`", _typed(of_plugin.ClusterEventDocument)
    ),
    "results": NamedSchema("the file of `start --results`", _typed(ResultsDocument)),
    **{name: attrs.evolve(each, of=f"the object of {each.of}") for name, each in DOCUMENTS.items()},
}
"""Every schema by its name."""


def schema(name: str, *, is_strict: bool = False) -> Schema:
    """Return the schema *name*; *is_strict* refuses keys that it does not name, for tests."""
    return {"$schema": DIALECT, "title": f"enforcer {name}", **SCHEMAS[name].make(is_strict)}
