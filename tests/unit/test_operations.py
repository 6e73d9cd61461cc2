# SPDX-License-Identifier: MIT
"""What belongs to an operation stands in one table: no other module lists hooks by operation."""

import ast
import re
from pathlib import Path

import pytest

from enforcer.kernel.programs import HOOKS
from enforcer.policy.language.syscall_table import SYSCALLS

ROOT = Path(__file__).parents[2]
TABLE = "enforcer/policy/language/operations.py"
MODULES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "enforcer").rglob("*.py"))}

EXEMPT = {
    # In which order programs are attached, and which kernels lack them; beside them stand those that keep
    # what is known of processes, and those that protect the engine, which decide no operation.
    "enforcer/kernel/programs.py",
    # What the kernel's functions around hooks are called and return, whatever is decided there.
    "enforcer/kernel/placement.py",
    # What a policy of Tetragon means that names a hook, by the arguments of the hook.
    "enforcer/policy/foreign/tracing/hooks.py",
    # Sentences that advise which hook to name instead.
    "enforcer/policy/foreign/tracing/keys.py",
}
"""Modules that list hooks for another reason than an operation."""

# A hook that is called as a system call is not told from it by its name.
NAMES = {name for spec in HOOKS for name in (spec.name, spec.hook)} - SYSCALLS.keys()
"""Hooks at which operations are decided, and the programs that decide there."""


def texts(tree):
    """Yield the strings of *tree* that are not documentation."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            if isinstance(node.value, str):
                yield node.value
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1")


def hooks_in(source):
    """Return the hooks and programs that the strings of *source* name."""
    return {
        word
        for text in texts(ast.parse(source))
        for word in re.findall(r"[A-Za-z0-9_]+", text)
        if word in NAMES
    }


def test_only_the_table_lists_hooks():
    """Who needs the hooks of an operation asks the table, so that no two places contradict each other."""
    listing = {name for name, path in MODULES.items() if len(hooks_in(path.read_text())) > 1}

    assert {TABLE, *EXEMPT} == listing


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('HOOKS = {Op.READ: "file_open", Op.MKDIR: "path_mkdir"}', {"file_open", "path_mkdir"}),
        ('HOOKS = "file_open path_mkdir".split()', {"file_open", "path_mkdir"}),
        ('match op:\n    case Op.READ:\n        at = b"file_open"', {"file_open"}),
        ('at = f"enf_file_open {op}"', {"enf_file_open"}),
        ('"""Not file_open."""\nat = "path", "open"', set()),
        ('CALLS = ("move_mount", "capset")', set()),
    ],
)
def test_the_check_sees_hooks(source, found):
    """In whatever they stand, but for documentation and system calls."""
    assert found == hooks_in(source)
