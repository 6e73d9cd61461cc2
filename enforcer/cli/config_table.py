# SPDX-License-Identifier: MIT
"""What a row of the tables of the configuration file is, and the forms that values of it share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.schema.fragments import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Node

    Read = Callable[[Node, str, Context], Any]

__all__ = ["FLAG", "PATH", "Setting"]

PATH: Final[Schema] = {"type": "string", "pattern": "^/"}
FLAG: Final[Schema] = {"type": "boolean"}


@attrs.frozen
class Setting:
    """
    A key of a mapping in the file.

    Attributes:
        field: what of the object that the mapping stands for it sets.
        read: reads its value.
        form: the JSON Schema of what *read* takes, as far as a schema can say it.
    """

    field: str
    read: Read
    form: Schema
