# SPDX-License-Identifier: MIT
"""
The code of a protected daemon, loaded before others can change it on disk.

Python imports a module when it is first needed. So a user who may write its files could make a running
daemon load other code. Therefore a protected daemon imports everything that it may need at its start,
and nothing after that.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import pkgutil
import sys
from typing import TYPE_CHECKING, Final

import enforcer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["close", "load"]

_NOT_OURS: Final = (
    "enforcer.cli",
    "enforcer.cluster",
    "enforcer.hook",
    "enforcer.plugin",
    "enforcer.workbench",
)
"""What other commands consist of: nothing of a daemon imports it, but the command that starts it."""

_LATER: Final = (
    *("_strptime", "codeop", "encodings.ascii", "encodings.idna", "encodings.latin_1"),
    *("encodings.punycode", "encodings.raw_unicode_escape", "encodings.unicode_escape"),
    *("encodings.utf_16", "encodings.utf_8_sig", "hashlib", "hmac", "linecache"),
    *("stringprep", "tokenize", "traceback", "unicodedata", "zlib"),
)
"""What the standard library imports by itself, in functions and by names."""


class _Closed:
    """The last finder: says that it is too late."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the import with a sentence; *path* and *target* are not used."""
        del path, target
        raise ModuleNotFoundError(
            (
                f"{name} cannot be imported any more: this daemon is protected, and the files "
                "may have changed"
            ),
            name=name,
        )


def load(also: Iterable[str] = ()) -> None:
    """Import whatever a daemon may need later, and the packages *also*."""
    wanted = tuple(also)
    for found in pkgutil.walk_packages(enforcer.__path__, "enforcer."):
        is_others = found.name.startswith(_NOT_OURS) and not found.name.startswith(wanted or ("-",))
        if not is_others and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in _LATER:
        importlib.import_module(name)


def close() -> None:
    """From now on import nothing but what is part of the interpreter."""
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        _Closed,
    ]
    sys.path_importer_cache.clear()
