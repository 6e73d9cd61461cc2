# SPDX-License-Identifier: MIT
"""Kernel modules: index them for the guest, and pick those needed before the root is mounted."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .tools import tool


@dataclass(frozen=True)
class Module:
    """One module file, decompressed, ready for insmod."""

    name: str
    content: bytes


class ModuleTree:
    """An indexed ``lib/modules/VERSION``; packages are indexed at installation, not before."""

    def __init__(self, modules: Path, *, cache: Path) -> None:
        self.version = modules.name
        digest = hashlib.sha256(os.fsencode(modules)).hexdigest()[:8]
        base = cache / "modules" / f"{self.version}-{digest}"
        self.directory = base / "lib/modules" / self.version
        if not (self.directory / "modules.dep.bin").exists():
            self._index(modules, base)
        self._files, self._needs = _read_dependencies(self.directory / "modules.dep")
        self._builtin = _read_builtin(self.directory / "modules.builtin")

    def has(self, name: str) -> bool:
        """Say whether the kernel offers *name*, as a module or built in."""
        return name in self._files or name in self._builtin

    def closure(self, names: tuple[str, ...]) -> list[Module]:
        """Return *names* and what they need, in loading order; what is not a module is left out."""
        order: dict[str, None] = {}
        for name in names:
            if name in self._files:
                # modules.dep lists the deepest dependency last.
                order.update(dict.fromkeys(reversed(self._needs[name])))
                order[self._files[name]] = None
        return [self._read(path) for path in order]

    def _index(self, modules: Path, base: Path) -> None:
        base.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=base.parent) as part:
            tree = Path(part) / "tree"
            directory = tree / "lib/modules" / modules.name
            directory.mkdir(parents=True)
            for entry in modules.iterdir():
                (directory / entry.name).symlink_to(entry)
            subprocess.run([tool("depmod"), "-b", tree, modules.name], check=True)
            if base.exists() and not (self.directory / "modules.dep.bin").exists():
                shutil.rmtree(base)
            try:
                tree.rename(base)
            except OSError:
                if not base.exists():  # else another run was faster, with the same result
                    raise

    def _read(self, path: str) -> Module:
        content = (self.directory / path).read_bytes()
        match Path(path).suffix:
            case ".xz":
                content = lzma.decompress(content)
            case ".gz":
                content = gzip.decompress(content)
            case ".zst":
                content = subprocess.run(
                    [tool("zstd"), "-dc"], input=content, stdout=subprocess.PIPE, check=True
                ).stdout
        return Module(_module_name(path), content)


def _module_name(path: str) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", Path(path).name).replace("-", "_")


def _read_dependencies(path: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    files: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        file, _, needed = line.partition(":")
        files[_module_name(file)] = file
        needs[_module_name(file)] = needed.split()
    return files, needs


def _read_builtin(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    return frozenset(_module_name(line) for line in path.read_text(encoding="ascii").splitlines())
