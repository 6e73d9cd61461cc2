# SPDX-License-Identifier: MIT
"""What a protected daemon consists of, and that nothing is added to it later."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import enforcer
from enforcer.runtime.protection import own_code

PACKAGE = Path(enforcer.__file__).parent

_BEFORE = "import errno, mmap, os, sys\nfrom enforcer.runtime.protection import own_code\n"


def run(code):
    """Run *code* in a process of its own, since what it does is for good."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _BEFORE + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_all_that_a_daemon_may_need_is_loaded():
    """Dialects, outputs and metrics, without what other commands consist of."""
    run("""
own_code.load()
for name in ("enforcer.policy.foreign.kubearmor", "enforcer.policy.kernel_types.signatures",
             "enforcer.runtime.metrics.values", "enforcer.sinks.ocsf", "traceback"):
    assert name in sys.modules, name
others = ("enforcer.cli.", "enforcer.cluster.agent.", "enforcer.workbench.dashboard.", "enforcer.cluster.webhook.")
assert not any(n.startswith(others) for n in sys.modules)
""")


def test_nothing_of_a_daemon_imports_what_is_left_out():
    """Else it would fail where it is first needed, once the daemon is closed."""
    found = [
        (str(file), name)
        for file in PACKAGE.rglob("*.py")
        if not _module(file).startswith(own_code._NOT_OURS) and file.name != "__main__.py"
        for name in _imported(ast.parse(file.read_text(encoding="utf-8")))
        if name.startswith(own_code._NOT_OURS)
    ]

    assert [] == found


def _module(file):
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


def _imported(tree):
    """Each module that is imported anywhere, also in functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_packages_are_added():
    """A dashboard in the daemon's terminal is one more."""
    run(
        "own_code.load(['enforcer.workbench.dashboard'])\nassert 'enforcer.workbench.dashboard' in sys.modules"
    )


def test_nothing_is_imported_later(tmp_path):
    """Neither new modules nor others of a known name; those that are there go on."""
    (tmp_path / "planted.py").write_text("raise SystemExit('planted code ran')")
    run(f"""
own_code.load()
own_code.close()
sys.path.insert(0, {str(tmp_path)!r})
import json, traceback, sys  # there already
for name in ("planted", "this", "enforcer.cli.convert"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert "cannot be imported any more" in str(error), error
    else:
        raise AssertionError(name)
""")


def test_policies_are_compiled_and_printed_after_it(tmp_path):
    """In processes of their own, and every dialect."""
    (tmp_path / "own.yaml").write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: own}\n"
        "spec: {rules: [{file: read, match: {path: /x, process: {uid: root}}, action: deny}]}\n"
    )
    (tmp_path / "armor.yaml").write_text(
        "apiVersion: security.kubearmor.com/v1\nkind: KubeArmorHostPolicy\nmetadata: {name: shells}\n"
        "spec: {process: {matchPaths: [{path: /bin/sh}]}, action: Block}\n"
    )
    (tmp_path / "tracing.yaml").write_text(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: opens}\n"
        "spec: {kprobes: [{call: security_file_open, syscall: false, args: [{index: 0, type: file}],"
        " selectors: [{matchArgs: [{index: 0, operator: Equal, values: [/x]}],"
        " matchActions: [{action: Override, argError: -1}]}]}]}\n"
    )
    run(f"""
from enforcer.policy.store import Trust
from enforcer.runtime.policies.compile_process import Order, make_apart, print_apart
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.compilation import Sources
own_code.load()
own_code.close()
import pathlib
for path in sorted(pathlib.Path({str(tmp_path)!r}).glob("*.yaml")):
    made = make_apart(Order(Sources((path,), False, True, None), Overlay(), generation=1))
    assert made.now.n_rules == 1, path
    (policy,) = made.now.wanted().policies
    assert "kind: EnforcerPolicy" in print_apart(policy), path
""")


@pytest.mark.skipif(
    sys.platform != "linux" or not sys.maxsize > 2**32, reason="the filter knows x86-64"
)
def test_no_code_is_mapped_later():
    """Neither by mapping, nor by protecting, nor by running a program; memory and children go on."""
    run("""
import ctypes, multiprocessing, pwd
from enforcer.libbpf import code
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
area = mmap.mmap(-1, 4096)
at = ctypes.addressof(ctypes.c_char.from_buffer(area))
assert 0 == libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_EXEC)
assert 0 == libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_WRITE)
with open("/proc/self/exe", "rb") as file:
    mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
    assert code.close()
    try:
        mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    except PermissionError:
        pass
    else:
        raise AssertionError("mapped")
    mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ).close()
assert -1 == libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_EXEC)
assert errno.EACCES == ctypes.get_errno()
try:
    os.execv("/bin/true", ["true"])
except PermissionError:
    pass
pid = os.fork()
if not pid:
    bytearray(64 << 20)
    os._exit(7)
assert 7 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
""")
