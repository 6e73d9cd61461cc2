# SPDX-License-Identifier: MIT
"""The shape of the source tree: who imports whom, how long a module is, what it begins with."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "enforcer"
MODULES = sorted(PACKAGE.rglob("*.py"))
KERNEL_SOURCES = sorted((ROOT / "bpf").rglob("*.[ch]"))
MAX_LINES = 400

LEVELS = {
    "libbpf": 0,
    "kernel": 1,
    "ui": 2,
    "sinks": 2,
    "events": 2,
    "compiler": 2,
    "policy": 2,
    "explain": 2,
    "identity": 2,
    "runtime": 3,
    "replay": 3,
    "dryrun": 3,
    "cli": 4,
}
"""Imports point downwards or stay on their level."""

UNPRIVILEGED = ("policy", "compiler")


def name_of(path):
    return str(path.relative_to(ROOT))


def package_of(path):
    """Return the package of a module: its folder, or its own name at the top."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if len(parts) > 1 else None


def is_typing_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree):
    """Yield the full names that *tree* imports at run time, at any depth."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if is_typing_only(node):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def imported_packages(path):
    for name in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "enforcer" and len(parts) > 1 and parts[1] in LEVELS:
            yield parts[1], name


def test_every_package_has_a_level():
    """A new package must say where it stands."""
    packages = {p.name for p in PACKAGE.iterdir() if p.is_dir() and any(p.glob("*.py"))}

    assert packages <= LEVELS.keys()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path):
    """Nothing imports a package above its own."""
    package = package_of(path)
    level = LEVELS.get(package, 4)

    upwards = [name for other, name in imported_packages(path) if LEVELS[other] > level]

    assert [] == upwards


@pytest.mark.parametrize("package", UNPRIVILEGED)
def test_policies_need_no_kernel(package):
    """Policies are read and compiled without privileges and without the extension."""
    touched = [
        (name_of(path), name)
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for other, name in imported_packages(path)
        if other in {"kernel", "libbpf"}
    ]

    assert [] == touched


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_libbpf_touches_the_extension(path):
    """Pointers stay in one package."""
    names = list(imports(ast.parse(path.read_text())))

    touching = [n for n in names if "libbpf._" in n or n.split(".")[0] == "cffi"]

    assert package_of(path) == "libbpf" or [] == touching


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_are_short(path):
    """A module that grows past the limit has a second noun in it."""
    assert len(path.read_text().splitlines()) < MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_begin_with_licence_and_purpose(path):
    """The first line is the licence, then the module says what it owns."""
    text = path.read_text()

    assert "# SPDX-License-Identifier: MIT" == text.partition("\n")[0]
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", KERNEL_SOURCES, ids=name_of)
def test_kernel_sources_begin_with_their_licence(path):
    """What the kernel loads is GPL-2.0-only, and says so first."""
    assert "SPDX-License-Identifier: GPL-2.0-only" in path.read_text().partition("\n")[0]


def test_the_checks_see_a_violation():
    """An import inside a function counts; one for type checkers does not."""
    source = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import enforcer.cli.main\n"
        "def late():\n    from enforcer.runtime import daemon\n"
    )

    assert ["enforcer.runtime.daemon"] == [
        name for name in imports(ast.parse(source)) if name.startswith("enforcer")
    ]
