# SPDX-License-Identifier: MIT
"""
The configuration file of the daemon: YAML, read as strictly as policies are.

Its author decides what is enforced, so only root may own and write it. This is checked on the open
file. All errors are reported at once, each with its place.
"""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path
from typing import Any, Final

import attrs

from enforcer.cli.arguments import DURATION, MAX_USER, confirmation_time
from enforcer.cli.config_table import FLAG, PATH, Setting
from enforcer.cli.exits import ConfigErrors, UsageError
from enforcer.cli.outputs import (
    PATTERNS,
    SOCKET,
    number_from,
    outputs_form,
    read_outputs,
    read_patterns,
    read_socket,
)
from enforcer.cli.settings import Settings
from enforcer.errors import PolicyErrors
from enforcer.policy.readers.context import Context
from enforcer.policy.schema.fragments import Schema, list_of, object_of
from enforcer.policy.text.loader import MAX_BYTES, load
from enforcer.policy.text.nodes import Node, Scalar, describe
from enforcer.runtime.control.protocol import CONFIRM_LEAST, CONFIRM_MOST
from enforcer.runtime.policies.quotas import Quota
from enforcer.sinks.address import loopback

__all__ = ["KEYS", "read_config", "trusted_content"]


def read_config(path: Path) -> Settings:
    """
    Read the file.

    Raises:
        UsageError: it cannot be read, or others than root may write it.
        ConfigErrors: everything that is wrong in it.
    """
    content = trusted_content(path, "the configuration")
    context = Context()
    try:
        values = _values(load(content, str(path)), context)
        context.problems.check()
    except PolicyErrors as errors:
        raise ConfigErrors(errors.errors) from errors
    return Settings(**values)


def trusted_content(path: Path, what: str) -> bytes:
    """
    Read what must be root's alone; *what* it is, for a sentence.

    Raises:
        UsageError: it cannot be read, or others than root may write it.
    """
    # A link is followed: what counts is who may write the file that was opened.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor
            _check_trust(path, os.fstat(handle), what)
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from error


def _check_trust(path: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{what} {path} is not a regular file: name one")
    if found.st_uid not in {0, os.geteuid()}:
        raise UsageError(
            f"{what} {path} belongs to user {found.st_uid}, who could change what is "
            f"enforced: chown root {path}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"{what} {path} can be written by others (mode "
            f"{stat.S_IMODE(found.st_mode):04o}), who could change what is enforced: chmod go-w {path}"
        )


def _values(documents: tuple[Node, ...], context: Context) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for extra in documents[1:]:
        context.add("a configuration is one document: remove the line ---", extra.span)
    if not documents or (isinstance(documents[0], Scalar) and documents[0].is_null):
        return values  # everything is commented out
    settings = context.map(documents[0], "the configuration")
    if settings is not None and (kind := settings.get("kind")):
        context.add("this is a policy, not a configuration: name it under policies", kind.span)
        return values
    for entry in settings or ():
        key = KEYS.get(entry.key)
        if key is None:
            context.unknown(entry, "setting", KEYS, {})
            continue
        values[key.field] = key.read(entry.value, entry.key, context)
    return values


def _path(node: Node, what: str, context: Context) -> Path | None:
    text = context.text(node, what)
    if text is None:
        return None
    if not text.startswith("/"):
        context.add(f"{what} must be an absolute path, not {describe(node)}", node.span)
        return None
    return Path(text)


def _paths(node: Node, what: str, context: Context) -> tuple[Path, ...]:
    how = f"write [{node.text}]" if isinstance(node, Scalar) and not node.is_null else ""
    items = context.list(node, what, how)
    if items is not None and not items.items:
        context.add(f"{what} is empty: name a policy file or folder", node.span)
    found = [_path(item, f"each of {what}", context) for item in items or ()]
    return tuple(path for path in found if path is not None)


def _loopback(node: Node, what: str, context: Context) -> tuple[str, int] | None:
    text = context.text(node, what)
    if text is None:
        return None
    try:
        return loopback(text)
    except ValueError as error:
        context.add(f"{what}: {error}", node.span)
        return None


def _metrics_file(node: Node, what: str, context: Context) -> Path | None:
    path = _path(node, what, context)
    if path is not None and path.suffix != ".prom":
        context.add(f"{what} must end with .prom: the node exporter reads no other file", node.span)
        return None
    return path


def _flag(node: Node, what: str, context: Context) -> bool | None:
    return context.boolean(node, what)


def _confirmation(node: Node, what: str, context: Context) -> float | None:
    # A bare number is not a time here: whoever reads the file later should see the unit.
    if isinstance(node, Scalar) and isinstance(node.value, str):
        try:
            return confirmation_time(node.text)
        except argparse.ArgumentTypeError:
            pass
    context.add(
        f"{what} must be a time like 60s or 5m, from {CONFIRM_LEAST:g}s to {CONFIRM_MOST / 60:g}m, "
        f"not {describe(node)}",
        node.span,
    )
    return None


def _quota(node: Node, what: str, context: Context) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in context.map(node, what) or ():
        if entry.key not in _QUOTAS:
            context.unknown(entry, f"key of {what}", _QUOTAS, {})
            continue
        number = _NUMBER(entry.value, entry.key, context)
        if number is not None:
            found[entry.key] = number
    return found


_MOST: Final = 99_999_999
_NUMBER: Final = number_from(0, _MOST)
_QUOTAS: Final = tuple(field.name for field in attrs.fields(Quota))
_QUOTA: Final[Schema] = object_of(
    {key: {"type": "integer", "minimum": 0, "maximum": _MOST} for key in _QUOTAS}
)
_USER: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MAX_USER}
_LOOPBACK: Final[Schema] = {
    "type": "string",
    "pattern": r"^(127\.[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$",
}
_PROM: Final[Schema] = {"type": "string", "pattern": r"^/.*\.prom$"}
_TIME: Final[Schema] = {"type": "string", "pattern": f"^{DURATION}$"}

KEYS: Final[dict[str, Setting]] = {
    "policies": Setting("policies", _paths, list_of(PATH)),
    "jsonLog": Setting("json_log", _path, PATH),
    "logfmtLog": Setting("logfmt_log", _path, PATH),
    "ocsfLog": Setting("ocsf_log", _path, PATH),
    "syslog": Setting("syslog", read_socket, SOCKET),
    "journald": Setting("journald", _flag, FLAG),
    "outputs": Setting("outputs", read_outputs, outputs_form()),
    "metrics": Setting("metrics", _loopback, _LOOPBACK),
    "metricsFile": Setting("metrics_file", _metrics_file, _PROM),
    "results": Setting("results", _path, PATH),
    "redact": Setting("redact", read_patterns, PATTERNS),
    "audit": Setting("audit", _flag, FLAG),
    "quiet": Setting("quiet", _flag, FLAG),
    "allowDegraded": Setting("allow_degraded", _flag, FLAG),
    "tolerant": Setting("tolerant", _flag, FLAG),
    "policyOwner": Setting("policy_owner", number_from(0, MAX_USER), _USER),
    "podsDir": Setting("pods_dir", _path, PATH),
    "tenantQuota": Setting("tenant_quota", _quota, _QUOTA),
    "watch": Setting("watch", _flag, FLAG),
    "protect": Setting("protect", _flag, FLAG),
    "key": Setting("key", _path, PATH),
    "persist": Setting("persist", _flag, FLAG),
    "confirmWithin": Setting("confirm_within", _confirmation, _TIME),
    "watchConfirmWithin": Setting("watch_confirm_within", _confirmation, _TIME),
    "reloadConfirmWithin": Setting("reload_confirm_within", _confirmation, _TIME),
    "socket": Setting("socket", _path, PATH),
    "pins": Setting("pins", _path, PATH),
}
"""Every key of the file: the field of :class:`Settings` that it sets, who reads its value, and its form."""
