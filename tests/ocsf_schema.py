# SPDX-License-Identifier: MIT
"""The official schema of OCSF, as validators by class."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from enforcer.sinks.ocsf import VERSION


@functools.cache
def _schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION))


@functools.cache
def validator(class_uid: int, profiles: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    """Return what an event of *class_uid* with *profiles* must pass; no other keys are permitted."""
    name = _schema().lookup_class_name_from_uid(class_uid)
    made = _schema().get_class_schema(name, list(profiles))
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def official_class(class_uid: int) -> dict[str, Any]:
    """Return what the schema says of a class."""
    schema = _schema().schema.schema
    return next(each for each in schema["classes"].values() if each["uid"] == class_uid)


def validate(event: dict[str, Any]) -> None:
    """Raise if *event* is not what its class and profiles say."""
    profiles = tuple(event["metadata"]["profiles"])
    validator(event["class_uid"], profiles).validate(event)
