# SPDX-License-Identifier: MIT
"""What each command imports: facts, where times would depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from control_fakes import WEB, Served

ROOT = Path(__file__).parents[2]

CLIENT = {
    "enforcer",
    "enforcer.cli",
    "enforcer.cli.arguments",
    "enforcer.cli.colours",
    "enforcer.cli.commands",
    "enforcer.cli.help_formatter",
    "enforcer.cli.usage",
    "enforcer.cli.exits",
    "enforcer.cli.folding",
    "enforcer.cli.formats",
    "enforcer.cli.main",
    "enforcer.colours",
    "enforcer.errors",
    "enforcer.places",
    "enforcer.runtime",
    "enforcer.runtime.control",
    "enforcer.runtime.control.protocol",
}
PRINTING = {"enforcer.amounts", "enforcer.identity", "enforcer.safe_text"}
CHANGING = PRINTING | {"enforcer.cli.changes", "enforcer.cli.messages", "enforcer.cli.passphrase"}
TABLES = {"enforcer.cli.columns"}
STATUS = PRINTING | TABLES | {"enforcer.cli.status"}
POLICY = (
    CHANGING
    | TABLES
    | {
        "enforcer.cli.policy",
        "enforcer.policy",
        "enforcer.policy.model",
        "enforcer.policy.model.modes",
    }
)

HEAVY = {
    *("asyncio", "concurrent.futures", "dataclasses", "email", "http", "importlib.metadata"),
    *(
        "importlib.resources",
        "inspect",
        "logging",
        "multiprocessing",
        "ssl",
        "subprocess",
        "traceback",
    ),
}
"""Of the standard library: what a command that asks the daemon something can do without."""

NOT_AT_A_START = {
    *("asyncio", "concurrent.futures", "http", "importlib.metadata", "rich", "ssl", "subprocess"),
    *("tenacity", "termios", "enforcer.cli.config", "enforcer.cli.inplace", "enforcer.cli.outputs"),
    *(
        "enforcer.workbench.cases",
        "enforcer.workbench.dryrun",
        "enforcer.workbench.explain",
        "enforcer.policy.foreign.kubearmor",
    ),
    *("enforcer.policy.foreign.tracing", "enforcer.policy.schema", "enforcer.policy.writers"),
    *(f"enforcer.policy.kernel_types.{name}" for name in ("btf", "signatures", "tracepoints")),
    *("enforcer.workbench.replay", "enforcer.runtime.metrics", "enforcer.sinks.journal"),
    *("enforcer.sinks.logfmt", "enforcer.sinks.ocsf", "enforcer.sinks.sockets"),
    *("enforcer.sinks.terminal", "enforcer.workbench.dashboard"),
    *("enforcer.events.document_types", "enforcer.runtime.control.answers"),
    "enforcer.runtime.control.watch_answers",
}
"""Of a start that is asked for nothing more than policies and a log as JSON."""

RUN = """
import json, sys
from enforcer.cli.main import main
try:
    code = main(sys.argv[2:])
except SystemExit as end:
    code = end.code
with open(sys.argv[1], "w") as out:
    json.dump({"code": code, "modules": sorted(sys.modules)}, out)
"""

START = """
import os
os.geteuid = lambda: 0  # nothing is done that would need it
from enforcer.runtime.policies import start
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.runtime_changes import Overlay
def begin(sources, **_):
    make(Order(sources, Overlay(), generation=1))
    raise KeyboardInterrupt
start.begin = begin
"""
"""`enforcer start` up to where it would ask the kernel, the compiler's own process included."""


@pytest.fixture
def imported(tmp_path):
    """Run a command in a process of its own; returns its exit code and what it has imported."""

    def run(*words, before=""):
        told = tmp_path / "modules.json"
        subprocess.run(
            [sys.executable, "-P", "-c", before + RUN, told, *map(str, words)],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=120,
        )
        said = json.loads(told.read_text())
        return said["code"], set(said["modules"])

    return run


@pytest.fixture
def served(tmp_path):
    state = {
        "pid": 812,
        "uptimeSeconds": 12.5,
        "generation": 7,
        "programs": 18,
        "policies": [WEB],
        "records": {"total": 5, "lostDecisions": 0, "lostActivity": 0, "malformed": 0},
        "sinks": [],
        "kernel": {"passed_by": 0},
        "memory": {"residentBytes": 2048, "mapBytes": 1024},
    }
    served = Served(tmp_path / "s.sock", state)
    served.on_stop = lambda: served.reactor.after(0, served.server.close)
    yield tmp_path / "s.sock"
    served.close()


def ours(modules):
    return {name for name in modules if name.split(".")[0] == "enforcer"}


def foreign(modules):
    """Third parties of ours, by the names of their packages."""
    return {name.split(".")[0] for name in modules} & {
        "attr",
        "attrs",
        "cffi",
        "rich",
        "tenacity",
        "yaml",
    }


def below(modules, names):
    """Those of *modules* that are one of *names*, or in such a package."""
    return {m for m in modules if any(m == name or m.startswith(f"{name}.") for name in names)}


def test_help_imports_the_list_of_commands(imported):
    """No module of any command."""
    code, modules = imported("--help")

    assert 0 == code
    assert CLIENT - {"enforcer.cli.arguments", "enforcer.cli.formats", "enforcer.places"} >= ours(
        modules
    )
    assert set() == foreign(modules) | below(modules, HEAVY)


def test_help_on_a_command_imports_that_command(imported):
    """And nothing that only running it needs."""
    code, modules = imported("help", "status")

    assert 0 == code
    assert CLIENT | STATUS | {"enforcer.cli.help"} >= ours(modules)
    assert set() == foreign(modules) | below(modules, HEAVY)


def test_the_version_imports_the_extension(imported):
    """It asks libbpf, and neither the model of policies nor the engine."""
    code, modules = imported("version")

    assert 0 == code
    assert "enforcer.libbpf.calls" in modules
    assert set() == below(modules, {"enforcer.policy", "enforcer.kernel", "rich", "yaml"})


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (["status"], STATUS),
        (["status", "--json"], STATUS),
        (["stop"], PRINTING | {"enforcer.cli.stop", "enforcer.cli.passphrase"}),
        (["confirm"], CHANGING | {"enforcer.cli.confirm", "enforcer.cli.by_manager"}),
        (["reload"], CHANGING | {"enforcer.cli.reload"}),
        (["policy", "list"], POLICY),
        (["policy", "set-mode", "web", "audit"], POLICY),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_who_asks_the_daemon_imports_the_client(imported, served, tmp_path, words, own):
    """Neither the model of policies, nor the compiler, nor the kernel's side, nor what they stand on."""
    pins = ["--pins", tmp_path / "pins"] if words == ["stop"] else []

    code, modules = imported(*words, "--socket", served, *pins)

    assert 0 == code
    assert CLIENT | own >= ours(modules)
    assert set() == foreign(modules) | below(modules, HEAVY)


@pytest.mark.parametrize("path", ["policies/secrets.yaml", "policies"])
def test_a_start_imports_what_it_is_asked_for(imported, tmp_path, path):
    """Dialects, dashboards, metrics and other forms of records are for who wants them."""
    words = ["--quiet", "--json-log", tmp_path / "log", "--socket", tmp_path / "s", "--no-pins"]

    code, modules = imported("start", *words, path, before=START)

    assert 130 == code, "it comes as far as the kernel"
    assert {"enforcer.compiler.glob", "enforcer.sinks.jsonl", "yaml"} <= modules
    assert set() == below(modules, NOT_AT_A_START)


def test_a_start_imports_the_reader_of_a_dialect(imported, tmp_path):
    """When a document is in it; the others stay where they are."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: security.kubearmor.com/v1\n"
        "kind: KubeArmorHostPolicy\n"
        "metadata: {name: shells}\n"
        "spec: {process: {matchPaths: [{path: /bin/sh}]}, action: Block}\n"
    )
    words = ["--quiet", "--socket", tmp_path / "s", "--no-pins", policy]

    code, modules = imported("start", *words, before=START)

    assert 130 == code
    assert "enforcer.policy.foreign.kubearmor.document" in modules
    assert set() == below(modules, {"enforcer.policy.foreign.tracing"})
