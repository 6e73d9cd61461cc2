# SPDX-License-Identifier: MIT
"""The shape of the source tree: who imports whom, how long a module is, what it begins with."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "enforcer"
MODULES = sorted(PACKAGE.rglob("*.py"))
BUILT = {PACKAGE / "_abi.py"}
"""What build.py writes: as long as the header is."""
KERNEL_SOURCES = sorted((ROOT / "bpf").rglob("*.[ch]"))
MAX_LINES = 400

LEVELS = {
    "enforcer": {
        "_abi": 0,
        "amounts": 0,
        "colours": 0,
        "errors": 0,
        "garbage": 0,
        "kernel_counters": 0,
        "mountinfo": 0,
        "own_memory": 0,
        "places": 0,
        "safe_text": 0,
        "whole_file": 0,
        "hook": 0,
        "span": 1,
        "policy": 2,
        "structure": 2,
        "compiler": 3,
        "identity": 3,
        "libbpf": 3,
        "events": 4,
        "kernel": 4,
        "sinks": 5,
        "runtime": 6,
        "cluster": 7,
        "workbench": 7,
        "cli": 8,
        "plugin": 9,
        "__main__": 10,
    },
    "enforcer.workbench": {
        "cases": 0,
        "dashboard": 0,
        "explain": 0,
        "replay": 0,
        "dryrun": 1,
    },
    "enforcer.cluster": {
        "agent": 0,
        "webhook": 1,
    },
    "enforcer.policy": {
        "text": 0,
        "language": 1,
        "model": 2,
        "kernel_types": 3,
        "lint": 4,
        "readers": 4,
        "foreign": 5,
        "writers": 5,
        "build": 6,
        "schema": 7,
        "store": 7,
    },
    "enforcer.policy.foreign": {
        "kubernetes": 0,
        "pods": 0,
        "wording": 0,
        "kubearmor": 1,
        "tracing": 1,
    },
    "enforcer.runtime": {
        "notify": 0,
        "ports": 0,
        "reactor": 0,
        "retry": 0,
        "listener": 1,
        "protection": 1,
        "records": 1,
        "sessions": 1,
        "control": 2,
        "metrics": 2,
        "instance": 3,
        "policies": 3,
        "daemon": 4,
        "assembly": 5,
    },
}
"""
Of each package that is divided its parts: whoever imports another stands above it.

So there is no circle of parts. What only type checkers import does not count.
"""

UNPRIVILEGED = ("policy", "compiler")

EAGER = {
    "enforcer.compiler",
    "enforcer.libbpf",
    "enforcer.policy.foreign",
    "enforcer.policy.foreign.kubearmor",
    "enforcer.policy.foreign.tracing",
}
"""Packages that import something of ours, since they have public names of their own."""


def name_of(path):
    return str(path.relative_to(ROOT))


def module_of(path):
    """Return the full name of a module, and of a package that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path):
    """Return the package of a module: the first folder, or nothing at the top."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def parts_of(package):
    """Return the names of the modules and packages that *package* is divided into."""
    return {
        path.stem
        for path in ROOT.joinpath(*package.split(".")).iterdir()
        if (path.is_dir() and any(path.glob("*.py")))
        or (path.suffix == ".py" and path.stem != "__init__")
    }


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


def common(one, other):
    """Return how many parts two names have in common, from the first on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def crossings(module, text):
    """Yield what leads from one part of a divided package to another: package, part, other, name."""
    own = module.split(".")
    for name in imports(ast.parse(text)):
        other = name.split(".")
        depth = common(own, other)
        levels = LEVELS.get(".".join(own[:depth]), {})
        if depth < min(len(own), len(other)) and other[depth] in levels:
            yield ".".join(own[:depth]), own[depth], other[depth], name


def upwards(module, text):
    return [
        name
        for package, own, other, name in crossings(module, text)
        if LEVELS[package][other] >= LEVELS[package][own]
    ]


@pytest.mark.parametrize("package", LEVELS)
def test_every_part_has_a_level(package):
    """A new package or module must say where it stands."""
    assert parts_of(package) == LEVELS[package].keys()


def test_every_package_of_packages_has_levels():
    """Who divides a package says what stands on what."""
    divided = {module_of(path.parents[1] / "__init__.py") for path in PACKAGE.rglob("__init__.py")}

    assert divided - {""} <= LEVELS.keys()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path):
    """Nothing imports what stands above its own part, or beside it."""
    assert [] == upwards(module_of(path), path.read_text())


def test_packages_import_nothing():
    """Who imports one module of a package pays for no other."""
    eager = {
        module_of(path)
        for path in PACKAGE.rglob("__init__.py")
        if any(name.startswith("enforcer.") for name in imports(ast.parse(path.read_text())))
    }

    assert EAGER == eager


@pytest.mark.parametrize("package", UNPRIVILEGED)
def test_policies_need_no_kernel(package):
    """Policies are read and compiled without privileges and without the extension."""
    touched = [
        (name_of(path), name)
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for _, _, other, name in crossings(module_of(path), path.read_text())
        if other in {"kernel", "libbpf"}
    ]

    assert [] == touched


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_libbpf_touches_the_extension(path):
    """Pointers stay in one package."""
    names = list(imports(ast.parse(path.read_text())))

    touching = [n for n in names if "libbpf._" in n or n.split(".")[0] == "cffi"]

    assert package_of(path) == "libbpf" or [] == touching


@pytest.mark.parametrize("path", [path for path in MODULES if path not in BUILT], ids=name_of)
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

    assert ["enforcer.runtime.daemon"] == upwards("enforcer.events.decode", source)
    assert [] == upwards("enforcer.cli.start", source)


def test_the_checks_see_a_violation_between_parts():
    """Beside it is as wrong as above it; within one part everything goes."""
    source = "from enforcer.policy.readers.context import Context\n"

    assert ["enforcer.policy.readers.context.Context"] == upwards(
        "enforcer.policy.lint.linter", source
    )
    assert [] == upwards("enforcer.policy.readers.rules", source)
    assert [] == upwards("enforcer.policy.store", source)
