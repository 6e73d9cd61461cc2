# SPDX-License-Identifier: MIT
"""Where each rule is decided, in words: lifted or not, what can be raced, what this kernel cannot refuse."""

from __future__ import annotations

import re

import attrs
import pytest
from kernel_types import small_kernel

from enforcer.cli import where_decided
from enforcer.compiler.lower import rule_ops
from enforcer.policy.language.operations import hooks_of
from enforcer.policy.language.vocabulary import EVENTS, LIFTED_SYSCALLS
from enforcer.policy.lint.issues import Host
from enforcer.policy.lint.linter import lint
from enforcer.policy.model.loaders import is_asked, loaded_ops
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.store import load_text

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\nspec:\n"
TRACING = """\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: x}
spec:
"""


@pytest.fixture(autouse=True)
def _kernel(tmp_path, monkeypatch):
    types = small_kernel(tmp_path)
    monkeypatch.setattr("enforcer.policy.readers.context.local_types", lambda: types)
    monkeypatch.setattr(where_decided, "local_types", lambda: types)


def said(text, late=lambda _: None):
    found = where_decided.decided(load_text(text, "p.yaml"), late)
    return [line for rule in found for line in rule.lines()]


def of_rule(rule, **options):
    return said(f"{HEAD}  rules:\n    - {{name: r, action: deny, {rule}}}\n", **options)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            "syscall: unlink, match: {path: /x}",
            "syscall unlink, lifted to file unlink: decided at LSM hooks path_unlink, path_rename",
        ),
        ("syscall: keyctl", "syscall keyctl, not lifted: decided where the call is entered"),
        ("lsm: file_open", "lsm file_open: decided at LSM hook file_open, before the effect"),
        ("kprobe: takes", "kprobe takes: decided where function takes is entered"),
        ("file: read, match: {path: /x}", "file read: decided at LSM hooks file_open, quota_on"),
        (
            "exec: {}, match: {path: /x}",
            "exec: decided at LSM hooks bprm_check_security, bprm_creds_for_exec, mmap_file",
        ),
        (
            "exec: {}, match: {path: /x}, loader: false",
            "exec: decided at LSM hooks bprm_check_security, bprm_creds_for_exec",
        ),
        (
            "kprobe: {function: takes, at: return}",
            "kretprobe takes: decided where function takes ends, after the effect",
        ),
        (
            "tracepoint: sched/sched_process_exec",
            "tracepoint sched/sched_process_exec: decided at tracepoint sched/sched_process_exec",
        ),
    ],
)
def test_the_hook_and_why(rule, words):
    """One line, with its place; nothing more where nothing is compared."""
    (line,) = of_rule(rule)

    assert line.startswith(f"p.yaml:6:7: policy x, rule r: {words}")


@pytest.mark.parametrize(
    ("rule", "raced"),
    [
        ("syscall: memfd_create, match: {args: [{index: 0, prefix: a}]}", "args[0] is a string"),
        ("syscall: keyctl, match: {args: [{index: 0, equal: 1}]}", None),
        ("kprobe: do_unlinkat, match: {args: [{index: 1, resolve: name, equal: a}]}", "arg1.name"),
        ("kprobe: takes, match: {args: [{index: 5, equal: 1}]}", None),
        ("kprobe: takes, match: {args: [{index: address, port: 1}]}", "address may lie"),
        ("kprobe: takes, match: {args: [{index: sk, port: 1}]}", None),
        ("kprobe: undescribed, match: {args: [{index: 0, type: String, equal: a}]}", "arg0 may"),
        ("lsm: file_open, match: {args: [{index: 0, equal: /x}]}", None),
        ("lsm: file_open, match: {args: [{index: 0, resolve: f_inode.i_ino, equal: 1}]}", None),
        (
            "tracepoint: sched/sched_process_exec, match: {args: [{index: filename, equal: a}]}",
            None,
        ),
        (
            "tracepoint: sched/sched_process_exec, match: {args: [{index: name, equal: a}]}",
            "name may lie",
        ),
    ],
)
def test_what_can_be_raced(rule, raced):
    """What is read from memory that may be the caller's, and nothing else."""
    _, *doubts = of_rule(rule)

    assert (raced is not None) is bool(doubts)
    assert all(raced in doubt and "can be raced" in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ("head", "then"), [("", "is refused here"), ("  allowDegraded: true\n", "kills after it here")]
)
def test_a_kernel_that_comes_too_late(head, then):
    """Only for what refuses."""
    text = (
        f"{HEAD}{head}  rules:\n"
        "    - {name: r, kprobe: takes, action: deny}\n"
        "    - {name: s, kprobe: takes, action: log}\n"
    )

    _, why, other = said(text, lambda _: "it comes too late")

    assert why == f"    it comes too late, so the rule {then}"
    assert "rule s:" in other


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            "kprobes: [{call: security_path_unlink, syscall: false}]",
            "kprobe security_path_unlink, lifted to file unlink: decided at LSM hooks",
        ),
        ("kprobes: [{call: sys_unlink, syscall: true}]", "syscall unlink, lifted to file unlink"),
        ("lsmhooks: [{hook: path_unlink}]", "lsm path_unlink, lifted to file unlink"),
        (
            "kprobes: [{call: security_told, syscall: false}]",
            "kprobe security_told: decided where function security_told is entered",
        ),
        (
            "tracepoints: [{subsystem: sched, event: sched_process_exec}]",
            "tracepoint sched_process_exec, lifted to exec: decided at LSM hook",
        ),
    ],
)
def test_what_a_tracing_policy_names(item, words):
    """By the name that it has there."""
    lines = said(
        TRACING
        + f"  {item[:-2]}, selectors: [{{matchBinaries: [{{operator: In, values: [/bin/x]}}]}}]}}]\n"
    )

    assert f"rule {item.partition(':')[0]}.1.selectors.1: {words}" in lines[0]


def test_attempts_are_told_with_what_they_are_worth():
    """Where they are seen, that nothing is refused there, and that a path can be changed before it is read."""
    _, where, doubt = of_rule("file: mkdir, match: {path: /x}, attempts: true")

    assert "recorded when mkdir, mkdirat fail with an error of the kernel itself" in where
    assert "nothing is refused" in where
    assert "in the caller's memory, which another thread can change" in doubt
    assert 2 == len(of_rule("network: connect, attempts: true"))  # no path, nothing to change


# ---- With and without --explain -------------------------------------------------------------------

OPERATIONS = [
    f"{event.name}: {word if event.name != 'exec' else '{}'}"
    for event in EVENTS.values()
    for word in event.operations
    if word != "capability"
]
RULES = [
    *OPERATIONS,
    *(f"syscall: {name}" for name in LIFTED_SYSCALLS),
    *(f"file: {word}, strict: true" for word in ("read", "append", "[read, write]")),
    "process: capability, match: {capability: net_raw}",
    "exec: {}, match: {path: /x}, loader: false",
    "exec: {}, match: {args: [{index: 1, equal: x}]}",
    "exec: {}, match: {path: /x, args: [{index: 1, equal: x}]}",
    "exec: {}, match: {fileCapabilities: true}",
]
_HOOKS = re.compile(r"\bat (?:LSM hooks? )?([a-z0-9_, ]+), on the kernel's own")


@pytest.mark.parametrize("rule", RULES)
def test_check_names_the_same_hooks_as_its_explanation(rule):
    """Both are what the compiler makes of the rule."""
    (policy,) = load_text(
        f"{HEAD}  rules:\n    - {{name: r, action: kill, {rule}}}\n", "p.yaml"
    ).policies
    # Where a rule on an operation is decided, check says if a system call was named.
    (one,) = policy.rules
    one = attrs.evolve(one, syscall=one.syscall or "openat")
    policies = PolicySet((attrs.evolve(policy, rules=(one,)),))

    (remark,) = [str(issue) for issue in lint(policies, Host()) if " is decided as " in str(issue)]
    explanation = next(where_decided.decided(policies, lambda _: None)).says
    compiled = rule_ops(one) | loaded_ops(one, asked=is_asked(policy))

    (checked,), (explained,) = _HOOKS.findall(remark), _HOOKS.findall(explanation)
    assert checked == explained == ", ".join(hooks_of(compiled))
