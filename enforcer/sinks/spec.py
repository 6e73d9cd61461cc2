# SPDX-License-Identifier: MIT
"""The settings of an output before it is opened."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from enforcer import places
from enforcer.sinks.backlog import LIMIT, Backlog
from enforcer.sinks.forms import form
from enforcer.sinks.lines import LineWriter, open_log
from enforcer.sinks.output import Output
from enforcer.sinks.redaction import Redactor
from enforcer.sinks.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enforcer.sinks.forms import Form
    from enforcer.sinks.rotation import Rotation

__all__ = ["Common", "FileOutput", "OutputSpec"]

_NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})
_STDOUT: Final = 1


class OutputSpec(Protocol):
    """An output that can be opened."""

    @property
    def name(self) -> str:
        """Its name for the operator."""

    @property
    def place(self) -> str:
        """Its destination: two outputs must not have the same one."""

    def open(self) -> Output:
        """
        Make it ready to take records.

        Raises:
            OSError: it cannot be, and would not be later.
        """


@attrs.frozen(kw_only=True)
class Common:
    """
    What every output has.

    Attributes:
        selection: which records.
        redact: patterns of arguments to hide, as :mod:`enforcer.sinks.redaction` describes them.
        fields: to be added to every record.
        limit: bytes that may wait for a reader.
    """

    selection: Selection = attrs.field(factory=Selection)
    redact: tuple[str, ...] = ()
    fields: Mapping[str, str] = _NO_FIELDS
    limit: int = LIMIT

    def backlog(self) -> Backlog:
        """Make room for what waits."""
        return Backlog(self.limit)

    def redactor(self) -> Redactor:
        """Make what hides arguments."""
        return Redactor.of(self.redact)

    def shape(self, line: Form) -> partial[bytes]:
        """Let *line* add the fields."""
        return partial(line, fields=self.fields)


@attrs.frozen(kw_only=True)
class FileOutput:
    """Lines appended to a file, or to standard output, in one of :data:`~enforcer.sinks.forms.FORMS`."""

    path: Path
    form: str = "json"
    rotation: Rotation | None = None
    common: Common = attrs.field(factory=Common)

    @property
    def name(self) -> str:
        """Its name for the operator."""
        return f"{self.form} log {'standard output' if self.is_standard else self.path}"

    @property
    def is_standard(self) -> bool:
        """Whether lines go to standard output, where nothing else must go then."""
        return self.path == places.STDOUT

    @property
    def place(self) -> str:
        """Its destination."""
        return str(self.path)

    def open(self) -> Output:
        """Open the file; raises OSError."""
        return Output(
            name=self.name,
            form=self.common.shape(form(self.form)),
            transport=self._lines(),
            selection=self.common.selection,
            redactor=self.common.redactor(),
        )

    def _lines(self) -> LineWriter:
        if self.is_standard:
            # As it is: a socket, which a service manager may give, cannot be opened by its name.
            return LineWriter(_STDOUT, backlog=self.common.backlog())
        return LineWriter(open_log(self.path), self.path, self.common.backlog(), self.rotation)
