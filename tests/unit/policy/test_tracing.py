# SPDX-License-Identifier: MIT
"""Tetragon's policies: what each part becomes, what is refused and where, and hostile input."""

from __future__ import annotations

import ipaddress
import json

import pytest
from hostile import mutated, read_foreign, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_types import small_kernel
from policy_text import FILE, errors, load

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.hooks import FUNCTIONS, LSM_HOOKS
from enforcer.policy.language.vocabulary import EVENTS, FIELDS
from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Mode, OnError, Verb
from enforcer.policy.writers.conditions import spell_process
from enforcer.policy.writers.printer import print_policies

API = "apiVersion: cilium.io/v1alpha1\n"
HEAD = f"{API}kind: TracingPolicy\nmetadata: {{name: x}}\n"
PODS = f"{API}kind: TracingPolicyNamespaced\nmetadata: {{name: x, namespace: y}}\n"


@pytest.fixture(scope="module", autouse=True)
def _kernel(tmp_path_factory):
    """What is known of the kernel is the same on every machine."""
    types = small_kernel(tmp_path_factory.mktemp("kernel"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("enforcer.policy.readers.context.local_types", lambda: types)
        yield


def spec(text, head=HEAD):
    return load(f"{head}spec: {text}\n")


def rules(text):
    return {rule.name: rule for rule in spec(text).rules}


def refused(text, head=HEAD):
    return errors(f"{head}spec: {text}\n")


def hook(selector="{}", *, call="security_file_open", args="[{index: 0, type: file}]", more=""):
    """A kprobe with one selector, in flow style."""
    return f"{{kprobes: [{{call: {call}, args: {args}, selectors: [{selector}]{more}}}]}}"


def matching(item, **others):
    return hook(f"{{matchArgs: [{item}], matchActions: [{{action: Sigkill}}]}}", **others)


def acting(*actions, **others):
    listed = ", ".join(f"{{action: {action}}}" for action in actions)
    return hook(f"{{matchActions: [{listed}]}}", **others)


def match_of(text):
    """How the only rule is printed, without its first lines."""
    printed = print_policies([spec(text)])
    return printed.partition("match:")[2].partition("action:")[0]


# ---- What becomes of it -----------------------------------------------------------------------


def test_a_record_shows_the_place_in_the_foreign_file():
    """Rules and their conditions stand where selectors and filters stand."""
    text = (
        f"{HEAD}spec:\n  kprobes:\n  - call: fd_install\n    args:\n    - {{index: 1, type: file}}\n"
        "    selectors:\n    - matchArgs:\n      - index: 1\n        operator: Equal\n"
        "        values: [/a]\n      matchBinaries:\n      - {operator: In, values: [/b]}\n"
    )

    (rule,) = load(text).rules

    assert f"{FILE}:10:7" == str(rule.span)
    assert f"{FILE}:12:19" == str(rule.conditions[0].span)
    assert f"{FILE}:15:9" == str(rule.subject.process.conditions[0].span)


@pytest.mark.parametrize(
    ("actions", "verb", "errno", "signal"),
    [
        ([], Verb.LOG, 1, 9),
        (["Post"], Verb.LOG, 1, 9),
        (["NoPost"], Verb.ALLOW, 1, 9),
        (["Sigkill"], Verb.KILL, 1, 9),
        (["Sigkill", "NoPost"], Verb.KILL, 1, 9),
        (["Signal, argSig: 15"], Verb.KILL, 1, 15),
        (["Override, argError: -13"], Verb.DENY, 13, 9),
        (["Override, argError: '-0x1'", "NoPost"], Verb.DENY, 1, 9),
        (["Override, argError: -2", "Sigkill", "Post"], Verb.KILL, 2, 9),
    ],
)
def test_actions(actions, verb, errno, signal):
    """What refuses does, posted or not; what does not refuse does not on errors either."""
    (rule,) = spec(acting(*actions)).rules

    assert (verb, errno, signal) == (rule.action.verb, rule.action.errno, rule.action.signal)
    assert (OnError.DENY if verb >= Verb.DENY else OnError.SKIP) == rule.on_error


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ("Override", "Override needs argError"),
        ("Override, argError: 0", "cannot succeed"),
        ("Override, argError: 1", "did you mean -1?"),
        ("Override, argError: -4095", "argError must be the negative number of an error"),
        ("Override, argError: x", "the text 'x' is not a number"),
        ("Signal", "Signal needs argSig"),
        ("Signal, argSig: 17", "argSig must be the number of a signal"),
        ("Sigkill}, {action: Signal, argSig: 15", "one signal"),
        ("Post}, {action: NoPost", "contradict"),
        ("Post}, {action: Post", "action Post is given twice"),
        ("Post, rateLimit: 5m", "'rateLimit' is not supported"),
        ("Post, kernelStackTrace: true", "'kernelStackTrace' is not supported"),
        ("Post, imaHash: true", "'imaHash' is not supported"),
        ("GetUrl, argUrl: x", "action GetUrl is not supported"),
        ("DnsLookup", "action DnsLookup is not supported"),
        ("TrackSock, argSock: 0", "action TrackSock is not supported"),
        ("CopyFD", "action CopyFD is not supported"),
        ("Set, argIndex: 0", "action Set is not supported"),
        ("Block", "action must be one of Post,"),
        ("NotifyEnforcer, argError: -1", "NotifyEnforcer needs enforcers"),
        ("NotifyEnforcer", "does nothing without argError or argSig"),
    ],
)
def test_actions_that_are_refused(actions, message):
    """Each says what is wrong and, where there is one, what to do instead."""
    (found,) = [e for e in refused(acting(actions)) if message in e]
    assert found.startswith(f"{FILE}:4:")


@pytest.mark.parametrize(
    ("item", "printed"),
    [
        ("{index: 0, operator: Equal, values: [/a, /b]}", "path: [/a, /b]"),
        ("{index: 0, operator: InMap, values: [/a]}", "{path: /a}"),
        ("{index: 0, operator: NotEqual, values: [/a]}", "path: {notEqual: /a}"),
        ("{index: 0, operator: Prefix, values: [/a]}", "path: {prefix: /a}"),
        ("{index: 0, operator: NotPrefix, values: [/a, /b]}", "notPrefix: [/a, /b]"),
        ("{index: 0, operator: Postfix, values: [.x]}", "path: {suffix: .x}"),
        ("{index: 0, operator: NotPostfix, values: [.x]}", "path: {notSuffix: .x}"),
        ("{index: 0, operator: SubString, values: [tmp]}", "path: {contains: tmp}"),
        ("{index: 0, operator: FileType, values: [dir]}", "{directory: true}"),
        ("{index: 0, operator: NotFileType, values: [dir]}", "{directory: false}"),
        ("{args: [0], operator: Equal, values: /a}", "{path: /a}"),
    ],
)
def test_operators_of_files(item, printed):
    """Each means what its documentation says."""
    assert printed in match_of(matching(item))


SOCKET = {"call": "security_socket_connect", "args": "[{index: 1, type: sockaddr}]"}
LISTEN = {"call": "security_socket_listen", "args": "[{index: 0, type: socket}]"}
TCP = {"call": "tcp_connect", "args": "[{index: 0, type: sock}]"}


@pytest.mark.parametrize(
    ("item", "hooked", "printed"),
    [
        ("{index: 1, operator: DAddr, values: [10.1.2.3/8]}", SOCKET, "{address: 10.0.0.0/8}"),
        ("{index: 1, operator: SAddr, values: ['::1']}", SOCKET, "address:"),
        ("{index: 1, operator: NotDAddr, values: [10.0.0.0/8]}", SOCKET, "notIn: [10.0.0.0/8]"),
        ("{index: 1, operator: DPort, values: ['80:90', 443]}", SOCKET, "port: [80-90, 443]"),
        ("{index: 1, operator: NotDPort, values: [80]}", SOCKET, "notIn: [80]"),
        ("{index: 1, operator: DPortPriv}", SOCKET, "{port: 0-1023}"),
        ("{index: 1, operator: NotDPortPriv, values: []}", SOCKET, "{port: 1024-65535}"),
        ("{index: 1, operator: Family, values: [AF_INET6]}", SOCKET, "{family: inet6}"),
        ("{index: 0, operator: Protocol, values: [IPPROTO_TCP]}", TCP, "in: [tcp]"),
        ("{index: 0, operator: SPort, values: [80]}", LISTEN, "{port: 80}"),
    ],
)
def test_operators_of_sockets(item, hooked, printed):
    """Networks may have bits below, as the documentation has them."""
    assert printed in match_of(matching(item, **hooked))


MOUNT = {"call": "sys_mount", "args": "[{index: 2, type: string}]"}
PRCTL = {"call": "sys_prctl", "args": "[{index: 0, type: int}, {index: 1, type: uint64}]"}
SIGNAL = {"call": "security_task_kill", "args": "[{index: 2, type: int}]"}


@pytest.mark.parametrize(
    ("item", "hooked", "printed"),
    [
        ("{index: 0, operator: Equal, values: [3, '0x10', '010']}", PRCTL, "in: [3, 16, 8]"),
        ("{index: 0, operator: NotEqual, values: [-1]}", PRCTL, "notEqual: -1"),
        ("{index: 0, operator: GT, values: [5]}", PRCTL, "range: 6-2147483647"),
        ("{index: 0, operator: LessThan, values: [-5]}", PRCTL, "range: -2147483648--6"),
        ("{index: 0, operator: LT, values: [2]}", PRCTL, "range: [-2147483648--1, 0-1]"),
        ("{index: 1, operator: GreaterThan, values: [5]}", PRCTL, "range: 6-18446744073709551615"),
        ("{index: 1, operator: LT, values: [2]}", PRCTL, "range: 0-1"),
        ("{index: 0, operator: InRange, values: ['1:5']}", PRCTL, "range: 1-5"),
        ("{index: 0, operator: NotInRange, values: ['-3:5']}", PRCTL, "notIn: [-3--1, 0-5]"),
        ("{index: 0, operator: InMap, values: ['1:5', 9]}", PRCTL, "in: [1-5, 9]"),
        ("{index: 0, operator: Mask, values: [1, 0x200]}", PRCTL, "'512'"),
        ("{index: 2, operator: Equal, values: [SIGKILL, 15]}", SIGNAL, "signal: [kill, term]"),
        ("{index: 2, operator: GT, values: [15]}", SIGNAL, "signal: 16-65535"),
        ("{index: 2, operator: NotInRange, values: ['1:5']}", SIGNAL, "notIn: [1-5]"),
    ],
)
def test_operators_of_numbers(item, hooked, printed):
    """Signs are those of the type; octal begins with 0, as the documentation has it."""
    assert printed in match_of(matching(item, **hooked))


@pytest.mark.parametrize(
    ("item", "hooked", "message"),
    [
        ("{index: 0, operator: Equal, values: [a]}", {}, "must be absolute"),
        ("{index: 0, operator: Prefix, values: [.bashrc]}", {}, "must be absolute"),
        ("{index: 0, operator: Equal, values: []}", {}, "an empty list"),
        ("{index: 0, operator: Equal}", {}, "Equal needs values"),
        ("{index: 0, operator: Equal, values: [{}]}", {}, "a value must be a text or a number"),
        ("{index: 0, values: [/a]}", {}, "needs an operator"),
        ("{index: 0, operator: equal, values: [/a]}", {}, "did you mean 'Equal'?"),
        ("{index: 0, operator: GT, values: [1]}", {}, "argument 0 is a text"),
        ("{index: 2, operator: Equal, values: [fuse.x]}", MOUNT, "own word: write fuse"),
        ("{index: 0, operator: CelExpr, values: [a]}", {}, "operator CelExpr is not supported"),
        ("{index: 0, operator: FileType, values: [reg]}", {}, "is for directories"),
        ("{index: 0, operator: State, values: [1]}", TCP, "operator State is not supported"),
        ("{index: 3, operator: Equal, values: [/a]}", {}, "argument 3 is not declared"),
        ("{args: [4], operator: Equal, values: [/a]}", {}, "args has 1 arguments"),
        ("{args: [0, 0], operator: Equal, values: [/a]}", {}, "one argument is compared at a time"),
        (
            "{index: 0, operator: Equal, values: [/a], value: 1}",
            {},
            "'value' is not a key of matchArgs",
        ),
        ("{index: 0, operator: SAddr, values: ['::1']}", TCP, "own address is not known yet"),
        ("{index: 0, operator: DAddr, values: ['::1']}", LISTEN, "other end is not known yet"),
        ("{index: 0, operator: DAddr, values: [localhost]}", TCP, "is not an address"),
        ("{index: 0, operator: DPort, values: ['9:1']}", TCP, "is not a port"),
        ("{index: 0, operator: Equal, values: [1]}", TCP, "argument 0 is a socket"),
        ("{index: 0, operator: Equal, values: [x]}", PRCTL, "is not a number"),
        ("{index: 0, operator: Equal, values: [0x100000000]}", PRCTL, "more than 32 bits"),
        ("{index: 0, operator: InRange, values: ['5:1']}", PRCTL, "the range is backwards"),
        ("{index: 0, operator: InRange, values: ['5']}", PRCTL, "is not a range"),
        ("{index: 0, operator: Mask, values: [0]}", PRCTL, "a mask must have bits"),
        ("{index: 1, operator: LT, values: [0]}", PRCTL, "no number is LT"),
        ("{index: 0, operator: Prefix, values: [1]}", PRCTL, "argument 0 is a number"),
        ("{index: 2, operator: Equal, values: [-1]}", SIGNAL, "never"),
        ("{index: 2, operator: Equal, values: [SIGFOO]}", SIGNAL, "is not known"),
    ],
)
def test_filters_that_are_refused(item, hooked, message):
    """What would never match, or means nothing here, is an error."""
    found = refused(matching(item, **hooked))
    assert any(message in e for e in found), found
    assert all(e.startswith(f"{FILE}:4:") for e in found)


@pytest.mark.parametrize(
    ("filters", "process"),
    [
        ("matchBinaries: [{operator: In, values: [/a, /b]}]", "binary: [/a, /b]"),
        ("matchBinaries: [{operator: NotIn, values: [/a]}]", "binary: {notEqual: /a}"),
        ("matchBinaries: [{operator: Prefix, values: [/a]}]", "binary: {prefix: /a}"),
        ("matchBinaries: [{operator: NotPrefix, values: [/a]}]", "binary: {notPrefix: /a}"),
        ("matchBinaries: [{operator: Postfix, values: [x]}]", "binary: {suffix: x}"),
        ("matchBinaries: [{operator: NotPostfix, values: [x]}]", "binary: {notSuffix: x}"),
        ("matchParentBinaries: [{operator: In, values: [/a]}]", "parent: {binary: /a}"),
        ("matchParentBinaries: [{operator: NotIn, values: [/a]}]", "binary: {notEqual: /a}"),
        (
            "matchParentBinaries: [{operator: In, values: [/a], followChildren: true}]",
            "ancestors: {binary: /a}",
        ),
        (
            "matchParentBinaries: [{operator: NotIn, values: [/a], followChildren: true}]",
            "notAncestors: {binary: /a}",
        ),
        ("matchCapabilities: [{operator: In, values: [CAP_BPF]}]", "capabilities: CAP_BPF"),
        ("matchCapabilities: [{operator: In, values: [bpf]}]", "capabilities: CAP_BPF"),
        ("matchCapabilities: [{operator: NotIn, values: [CAP_BPF]}]", "none: CAP_BPF"),
    ],
)
def test_who_acts(filters, process):
    """Filters on processes become conditions on who acts."""
    printed = match_of(hook(f"{{{filters}}}"))
    assert process in printed


def test_children_that_are_followed_are_a_lineage():
    """A process or one above it, in one rule; what else is asked is asked of the process."""
    (rule,) = spec(
        hook(
            "{matchBinaries: [{operator: In, values: [/a], followChildren: true}], "
            "matchCapabilities: [{operator: In, values: [CAP_BPF]}]}"
        )
    ).rules

    assert "kprobes.1.selectors.1" == rule.name
    assert ["binary"] == [c.field.name for c in rule.subject.lineage.conditions]
    assert ["capabilities"] == [c.field.name for c in rule.subject.process.conditions]
    assert not rule.subject.ancestors


def test_neither_a_process_nor_any_above_it():
    """NotIn with children excludes both in one rule."""
    (rule,) = spec(
        hook("{matchBinaries: [{operator: NotIn, values: [/a], followChildren: true}]}")
    ).rules

    assert rule.subject.process.conditions[0].negate
    assert not rule.subject.not_ancestors.conditions[0].negate


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ("matchPIDs: [{operator: In, values: [1]}]", "'matchPIDs' is not supported"),
        ("matchNamespaces: []", "'matchNamespaces' is not supported"),
        ("matchNamespaceChanges: []", "'matchNamespaceChanges' is not supported"),
        ("matchCapabilityChanges: []", "'matchCapabilityChanges' is not supported"),
        ("matchReturnActions: []", "'matchReturnActions' is not supported"),
        ("matchWorkloads: {}", "'matchWorkloads' is not supported"),
        ("matchArg: []", "did you mean 'matchArgs'?"),
        ("matchBinaries: [{operator: In, values: [a]}]", "must be absolute"),
        ("matchBinaries: [{values: [/a]}]", "needs an operator"),
        (
            "matchBinaries: [{operator: Prefix, values: [/a], followChildren: true}]",
            "followChildren goes with In and NotIn",
        ),
        (
            (
                "matchBinaries: [{operator: In, values: [/a], followChildren: true}], "
                "matchParentBinaries: [{operator: In, values: [/b], followChildren: true}]"
            ),
            "only one list of binaries can be followed",
        ),
        (
            "matchCapabilities: [{type: Permitted, operator: In, values: [CAP_BPF]}]",
            "type Permitted",
        ),
        ("matchCapabilities: [{operator: In, values: [CAP_BFP]}]", "did you mean 'CAP_BPF'?"),
        (
            "matchCapabilities: [{isNamespaceCapability: true, operator: In, values: [CAP_BPF]}]",
            "'isNamespaceCapability' is not supported",
        ),
        ("matchData: [{index: 0, operator: Equal, values: [1]}]", "argument 0 is not declared"),
    ],
)
def test_filters_on_processes_that_are_refused(filters, message):
    """By name, with the reason."""
    found = refused(hook(f"{{{filters}}}"))
    assert any(message in e for e in found), found


@pytest.mark.parametrize(
    ("resolve", "message"),
    [
        ("pid", "except for ids of the acting process"),
        ("comm", "except for ids of the acting process"),
    ],
)
def test_data_that_is_refused(resolve, message):
    """Ids of users and groups are known of the current task, nothing else."""
    data = f", data: [{{index: 0, type: int, source: current_task, resolve: {resolve}}}]"
    (found,) = refused(hook(more=data))
    assert message in found


# ---- Hooks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({**FUNCTIONS, **{f"lsm {n}": 0 for n in LSM_HOOKS}}))
def test_every_hook_of_the_table(name):
    """Each is one event with operations that have what is compared of it."""
    table, _, plain = name.rpartition(" ")
    found = LSM_HOOKS[plain] if table else FUNCTIONS[name]
    known = EVENTS[found.event].operations
    assert set(found.operations) <= set(known)
    for operand in found.args.values():
        if isinstance(operand, str):
            assert any(FIELDS[operand].name in known[word].fields for word in found.operations)
        elif isinstance(operand, dict):
            assert {w for words in operand.values() for w in words.split()} <= set(found.operations)
    assert found.needs is None or found.needs in found.args


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("{kprobes: [{call: sys_openat}]}", ["file openat"]),
        ("{kprobes: [{call: __x64_sys_execve, syscall: true}]}", ["exec execve"]),
        ("{fentries: [{call: security_file_open}]}", ["file None"]),
        ("{kprobes: [{call: __sys_setuid, syscall: false}]}", ["process setuid"]),
        ("{kprobes: [{call: sys_reboot}]}", ["syscall reboot"]),
        ("{tracepoints: [{subsystem: syscalls, event: sys_enter_reboot}]}", ["syscall reboot"]),
        ("{tracepoints: [{subsystem: sched, event: sched_process_exec}]}", ["exec None"]),
        (
            (
                "{lists: [{name: l, type: generated_syscalls, values: [sys_dup, sys_kill, sys_dup2]}], "
                "kprobes: [{call: 'list:l'}]}"
            ),
            ["process kill", "syscall None"],
        ),
        (
            "{lists: [{name: l, values: [security_path_mkdir]}], kprobes: [{call: 'list:l'}]}",
            ["file None"],
        ),
    ],
)
def test_what_is_hooked(text, events):
    """System calls, functions and tracepoints by any of their names."""
    assert events == [f"{rule.event} {rule.syscall}" for rule in spec(text).rules]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{kprobes: [{call: sys_opnat}]}", "did you mean 'sys_openat'?"),
        ("{kprobes: [{call: opnat, syscall: true}]}", "is not a system call"),
        ("{kprobes: [{call: sys_openat, syscall: false}]}", "write syscall: true"),
        ("{kprobes: [{call: security_file_open, syscall: true}]}", "write syscall: false"),
        ("{kprobes: [{call: __arm64_sys_openat}]}", "write sys_NAME, whatever the machine is"),
        ("{kprobes: [{call: i386/sys_dup}]}", "for 32-bit programs only"),
        ("{kprobes: [{call: 'tcp close'}]}", "is not a name of a function"),
        ("{kprobes: [{call: 'list:l'}]}", "there is no list 'l'"),
        ("{kprobes: [{}]}", "a hook needs call"),
        ("{kprobes: [{call: sys_dup, returnArgAction: TrackSock}]}", "TrackSock is not supported"),
        ("{kprobes: [{call: sys_dup, returnArgAction: Pst}]}", "did you mean 'Post'?"),
        ("{kprobes: [{call: sys_dup, return: 1}]}", "return must be true or false"),
        (
            "{kprobes: [{call: sys_dup, ignore: {callFound: true}}]}",
            "'callFound' is not a key of ignore",
        ),
        ("{lsmhooks: [{hook: file_loc}]}", "this kernel has no LSM hook file_loc"),
        ("{lsmhooks: [{hook: file_opn}]}", "did you mean 'file_open'?"),
        ("{tracepoints: [{subsystem: tcp, event: x}]}", "this kernel has no tracepoint tcp/x"),
        ("{tracepoints: [{subsystem: raw_syscalls, event: sys_exit}]}", "has no tracepoint"),
        ("{tracepoints: [{subsystem: raw_syscalls, event: sys_enter}]}", "names the system calls"),
        (
            "{tracepoints: [{subsystem: syscalls, event: sys_enter_dup, raw: true}]}",
            "this kernel has no raw tracepoint sys_enter_dup",
        ),
        ("{tracepoints: [{subsystem: syscalls}]}", "a hook needs event"),
        (
            (
                "{tracepoints: [{subsystem: syscalls, event: sys_enter_dup, selectors: "
                "[{matchActions: [{action: Override, argError: -1}]}]}]}"
            ),
            "Override does not work at tracepoints",
        ),
        ("{lists: [{name: l, type: generated_syscalls}]}", "lists of all system calls"),
        ("{lists: [{name: l, type: generated_ftrace, pattern: x}]}", "by a pattern"),
        ("{lists: [{name: l, values: [sys_dup]}]}", "give the list type: syscalls"),
        ("{lists: [{name: l, type: syscalls, values: [x]}]}", "is not a system call"),
        ("{lists: [{type: syscalls, values: [sys_dup]}]}", "a list needs a name"),
        ("{enforcers: [{calls: [sys_dup]}]}", "enforcers do nothing"),
        ("{enforcers: [{}]}", "an enforcer needs calls"),
        ("{uprobes: []}", "'uprobes' is not supported"),
        ("{usdts: []}", "'usdts' is not supported"),
        ("{loader: true}", "'loader' is not supported"),
        ("{podSelector: []}", "podSelector must be a mapping"),
        ("{podSelector: {matchNames: {}}}", "not a key of podSelector"),
        ("{podSelector: {matchLabels: {a: 'b*'}}}", "not a value of a label"),
        ("{podSelector: {matchExpressions: [{key: a, operator: In}]}}", "In needs values"),
        ("{podSelector: {matchExpressions: [{key: a, operator: Gt}]}}", "operator must be one of"),
        (
            "{containerSelector: {matchLabels: {repo: x}}}",
            "only the name of a container is compared",
        ),
        (
            "{containerSelector: {matchExpressions: [{key: name, operator: Exists}]}}",
            "only the name of a container is compared",
        ),
        ("{hostSelector: {}}", "'hostSelector' is not supported"),
        ("{options: [{name: policy-mod, value: x}]}", "did you mean 'policy-mode'?"),
        ("{options: [{name: policy-mode, value: x}]}", "one of monitor, enforce"),
        ("{options: [{name: policy-mode}]}", "needs a value"),
        ("{}", "the policy is empty"),
        ("{kprobes: [], lists: []}", "the policy is empty"),
    ],
)
def test_hooks_that_are_refused(text, message):
    """By name, with the reason and what to do instead."""
    found = refused(text)
    assert any(message in e for e in found), found
    assert all(e.startswith(f"{FILE}:4:") for e in found)


@pytest.mark.parametrize(
    ("item", "hooked", "message"),
    [
        ("{index: 2, operator: Mask, values: [1]}", "sys_openat", "which compares 1 (path)"),
        ("{index: 1, operator: Equal, values: [/a]}", "sys_read", "argument 1 of read is a number"),
        (
            "{index: 1, operator: Equal, values: [64]}",
            "security_file_permission",
            "4 (read), 2 (write)",
        ),
        ("{index: 0, operator: Equal, values: [/a]}", "security_mmap_file", "needs argument 1"),
        *(
            (
                f"{{index: 1, operator: {operator}}}",
                "security_mmap_file",
                f"so {missed} would be missed: compare it with Mask",
            )
            for operator, missed in (
                ("In, values: [4, 3]", "3"),
                ("InRange, values: ['3:7']", "3"),
                ("GT, values: [2]", "3"),
            )
        ),
        *(
            (f"{{index: {index}, operator: {operator}}}", call, f"so {missed} would be missed")
            for index, operator, call, missed in (
                (2, "Mask, values: [6]", "security_file_mprotect", "2"),
                (2, "In, values: [4, 3]", "security_file_mprotect", "3"),
                (1, "In, values: [4, 10, 34]", "security_file_permission", "10, 34"),
                (1, "Mask, values: [3]", "security_file_permission", "1"),
                (1, "In, values: [2, 7]", "security_kernel_read_file", "7"),
            )
        ),
        ("{index: 2, operator: NotEqual, values: [5]}", "cap_capable", "would cost too much"),
    ],
)
def test_arguments_that_are_not_compared(item, hooked, message):
    """The message names what is compared instead."""
    kinds = "[{index: 0, type: auto}, {index: 1, type: string}, {index: 2, type: int}]"
    if hooked != "sys_read":
        kinds = "[{index: 0}, {index: 1, type: int}, {index: 2, type: int}]"

    found = refused(matching(item, call=hooked, args=kinds))

    assert any(message in e for e in found), found


def test_both_names_of_a_rename_are_two_selectors():
    """They are decided one after the other, so no rule could match both."""
    both = (
        "{matchArgs: [{index: 1, operator: Equal, values: [/a]}, "
        "{index: 3, operator: Equal, values: [/b]}]}"
    )
    args = "[{index: 1, type: dentry}, {index: 3, type: dentry}]"
    (found,) = refused(hook(both, call="security_path_rename", args=args))
    assert "write one selector for each" in found


def test_an_index_of_a_tracepoint_that_may_be_two_things():
    """The place among args and the place in the tracepoint must not be taken for each other."""
    args = "[" + ", ".join(f"{{index: {i}, type: int}}" for i in (6, 5, 7, 8, 9, 10)) + "]"
    selector = "{matchArgs: [{index: %d, operator: Equal, values: [1]}]}"
    text = (
        "{tracepoints: [{subsystem: syscalls, event: sys_enter_prctl, args: %s, selectors: [%s]}]}"
    )

    (found,) = refused(text % (args, selector % 5))

    assert "may be the place" in found
    (rule,) = spec(text % (args, selector % 0)).rules
    assert 1 == rule.conditions[0].index


def test_macros_and_selectors_with_one_filter_twice():
    """As the documentation has it, neither goes before the other."""
    macros = "{selectorsMacros: {m: {matchBinaries: []}, n: {matchBinaries: []}}, kprobes: [{call: sys_dup, selectors: [%s]}]}"

    assert "matchBinaries is given twice" in refused(macros % "{macros: [m], matchBinaries: []}")[0]
    assert "matchBinaries is given twice" in refused(macros % "{macros: [m, n]}")[0]
    assert "did you mean 'm'?" not in refused(macros % "{macros: [o]}")[0]


# ---- Several hooks, several selectors ---------------------------------------------------------


def test_selectors_are_rules_in_their_order():
    """The first that matches decides, also an exception."""
    found = spec(
        hook(
            "{matchBinaries: [{operator: In, values: [/a]}], matchActions: [{action: NoPost}]}, {}"
        )
    )
    assert [(r.name, r.action.verb) for r in found.rules] == [
        ("kprobes.1.selectors.1", Verb.ALLOW),
        ("kprobes.1.selectors.2", Verb.LOG),
    ]


def test_the_stricter_of_two_hooks_stands_first():
    """Hooks are independent: what one kills is killed, though another only posts it."""
    post, kill = (
        "{call: security_file_open}",
        "{call: sys_openat, selectors: [{matchActions: [{action: Sigkill}]}]}",
    )

    assert [Verb.KILL, Verb.LOG] == [
        r.action.verb for r in spec(f"{{kprobes: [{post}, {kill}]}}").rules
    ]


def test_two_hooks_that_no_order_reconciles():
    """An exception of one hook is no exception from what another does."""
    excepting = (
        "{call: security_file_open, selectors: [{matchBinaries: [{operator: In, values: [/a]}], "
        "matchActions: [{action: NoPost}]}, {matchActions: [{action: Sigkill}]}]}"
    )

    (found,) = refused(f"{{kprobes: [{excepting}, {{call: sys_openat}}]}}")

    assert "put the hooks into two policies" in found
    assert spec(f"{{kprobes: [{excepting}, {{call: sys_rmdir}}]}}").rules


def test_calls_that_mean_the_same_are_one_rule():
    """A list of calls that one hook means says the same several times."""
    text = "{lists: [{name: l, type: syscalls, values: [sys_accept, sys_accept4]}], kprobes: [{call: 'list:l'}]}"
    assert 1 == len(spec(text).rules)


@pytest.mark.parametrize(
    ("actions", "allowed"),
    [
        ("Sigkill", True),
        ("Signal, argSig: 15", True),
        ("Override, argError: -1", False),
        ("Post", False),
    ],
)
def test_a_kill_may_come_late(actions, allowed):
    """Sigkill promises no more there than that the process ends; Override that nothing happens."""
    assert allowed is spec(acting(actions, call="sys_reboot", args="[]")).allow_degraded


def test_the_rest_of_a_document():
    """Mode, description, tags and messages."""
    head = HEAD.replace("name: x", 'name: x, annotations: {description: "Some\\n text", other: y}')
    policy = spec(
        "{options: [{name: policy-mode, value: monitor}], nodeSelector: {matchLabels: "
        "{kubernetes.io/os: linux}}, kprobes: [{call: sys_rmdir, message: 'a {b}', "
        "tags: [PCI DSS, x], selectors: [{label: so it is}]}]}",
        head,
    )

    assert (Mode.AUDIT, "Some text") == (policy.mode, policy.description)
    (rule,) = policy.rules
    assert ("a {{b}}", ("PCI-DSS", "x", "so-it-is")) == (rule.action.message, rule.tags)


def test_what_is_wrong_in_a_namespaced_policy():
    """TracingPolicyNamespaced is read like the other kind."""
    found = refused("{kprobes: [{call: sys_opnat}]}", PODS)
    assert [f"{FILE}:4:25"] == [e.partition(": ")[0] for e in found]


@pytest.mark.parametrize(
    ("head", "selectors", "spelled"),
    [
        (HEAD, "", {}),
        (PODS, "", {"pod": {"namespace": "y"}}),
        (PODS.replace(", namespace: y", ""), "", {"pod": {"namespace": "default"}}),
        (HEAD, "podSelector: {}, ", {"pod": {"name": "*"}}),
        (HEAD, "podSelector: {matchLabels: {}}, ", {"pod": {"name": "*"}}),
        (HEAD, "podSelector: {matchLabels: {a: b}}, ", {"pod": {"labels": {"a": "b"}}}),
        (
            HEAD,
            "podSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': m, a: b}}, ",
            {"pod": {"namespace": "m", "labels": {"a": "b"}}},
        ),
        (
            PODS,
            "podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b, c]}, {key: d, operator: Exists}]}, ",
            {
                "pod": {
                    "namespace": "y",
                    "labels": {
                        "matchExpressions": [
                            {"key": "a", "operator": "NotIn", "values": ["b", "c"]},
                            {"key": "d", "operator": "Exists"},
                        ]
                    },
                }
            },
        ),
        (
            HEAD,
            "containerSelector: {matchExpressions: [{key: name, operator: NotIn, values: [a, b]}]}, ",
            {"pod": {"name": "*"}, "container": {"name": {"notIn": ["a", "b"]}}},
        ),
        (
            PODS,
            "containerSelector: {matchLabels: {name: a}}, ",
            {"pod": {"namespace": "y", "name": "*"}, "container": {"name": "a"}},
        ),
    ],
)
def test_pods(head, selectors, spelled):
    """Namespace, podSelector and containerSelector say to whom the policy applies."""
    policy = load(f"{head}spec: {{{selectors}kprobes: [{{call: sys_reboot, syscall: true}}]}}\n")

    assert spelled == spell_process(policy.selector)


# ---- Hostile input ----------------------------------------------------------------------------

GOOD = f"""{HEAD}spec:
  options: [{{name: policy-mode, value: enforce}}]
  lists:
  - {{name: dups, type: syscalls, values: [sys_dup, sys_dup2, i386/sys_dup]}}
  - {{name: files, values: [security_path_mkdir]}}
  enforcers: [{{calls: ["list:dups", sys_reboot]}}]
  selectorsMacros:
    mine: {{matchBinaries: [{{operator: NotPrefix, values: [/opt/]}}]}}
  kprobes:
  - call: sys_openat
    syscall: true
    return: true
    returnArg: {{index: 0, type: int}}
    message: some {{text}}
    tags: [a, "b c"]
    args: [{{index: 0, type: int}}, {{index: 1, type: string, label: path}}]
    selectors:
    - matchArgs: [{{index: 1, operator: Prefix, values: [/etc/]}}]
      macros: [mine]
      matchActions: [{{action: Override, argError: -1}}, {{action: NoPost}}]
    - matchBinaries: [{{operator: In, values: [/a], followChildren: true}}]
      matchArgs: [{{args: [1], operator: NotPostfix, values: [.x]}}]
      matchCapabilities: [{{type: Effective, operator: In, values: [CAP_BPF]}}]
      matchActions: [{{action: Sigkill}}]
  - call: sys_prctl
    args: [{{index: 0, type: int}}]
    selectors: [{{matchArgs: [{{index: 0, operator: InRange, values: ["-3:7"]}}]}}]
  - call: "list:files"
  - call: security_socket_connect
    args: [{{index: 1, type: sockaddr}}]
    selectors: [{{matchArgs: [{{index: 1, operator: DPort, values: ["1:7"]}}]}}]
  tracepoints:
  - subsystem: raw_syscalls
    event: sys_enter
    args: [{{index: 4, type: syscall64}}]
    selectors:
    - matchArgs: [{{index: 0, operator: InMap, values: ["list:dups"]}}]
      matchActions: [{{action: NotifyEnforcer, argError: -1, argSig: 9}}]
  lsmhooks:
  - hook: task_kill
    args: [{{index: 2, type: int}}]
    selectors: [{{matchArgs: [{{index: 2, operator: GT, values: [8]}}]}}]
"""


def test_the_seed_is_sound():
    """The text that is mutated below loads, so that mutations reach deep."""
    assert read_foreign(GOOD)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_text(data):
    """A good policy with pieces cut out and others put in gives policies, or errors with places."""
    read_foreign(mutated(data, GOOD, ["list:", "sys_", "Mask", "NotIn", "-1", "[0]", "raw: true"]))


_WORDS = st.sampled_from(
    sorted(
        {
            *("kprobes", "tracepoints", "lsmhooks", "fentries", "lists", "enforcers", "options"),
            *("selectorsMacros", "call", "hook", "subsystem", "event", "raw", "syscall", "args"),
            *(
                "selectors",
                "matchArgs",
                "matchData",
                "matchBinaries",
                "matchParentBinaries",
                "data",
            ),
            *("matchCapabilities", "matchActions", "macros", "label", "index", "type", "operator"),
            *("values", "followChildren", "action", "argError", "argSig", "name", "calls", "value"),
            *("message", "tags", "return", "returnArg", "ignore", "callNotFound", "source"),
            *("resolve", "pattern", "nodeSelector", "matchLabels", "sizeArgIndex", "maxData"),
        }
    )
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 11),
    st.sampled_from(
        [
            *("/a", "1:5", "0x7", "010", "sys_dup", "sys_openat", "security_file_open", "list:l"),
            *("Equal", "NotPrefix", "Mask", "GT", "InRange", "DAddr", "DPort", "In", "FileType"),
            *(
                "file",
                "string",
                "int",
                "sockaddr",
                "fd",
                "Sigkill",
                "Override",
                "NoPost",
                "10.0.0.1",
            ),
            *("file_open", "syscalls", "sys_enter_dup", "raw_syscalls", "sys_enter", "", "CAP_BPF"),
        ]
    ),
    st.text(max_size=8),
)
_TREES = trees(_LEAVES, _WORDS, width=5, size=14)
_ITEM = st.fixed_dictionaries(
    {"index": st.integers(0, 3)},
    optional={
        "operator": _LEAVES,
        "values": st.lists(_LEAVES, max_size=3) | _LEAVES,
        "args": st.lists(st.integers(-1, 3), max_size=2),
        "type": _LEAVES,
    },
)
_CALLS = st.sampled_from(
    [
        *sorted(FUNCTIONS),
        "sys_prctl",
        "sys_openat",
        "sys_write",
        "sys_chroot",
        "sys_umount2",
        "sys_mount",
    ]
)
_TYPED = st.fixed_dictionaries(
    {"index": st.integers(0, 3)},
    optional={
        "type": st.sampled_from(["file", "string", "int", "uint64", "sockaddr", "sock", "fd"])
    },
)


@settings(max_examples=200)
@given(st.sampled_from(["TracingPolicy", "TracingPolicyNamespaced"]), _TREES)
def test_any_structure_as_a_spec(kind, tree):
    """Known words in places where they do not belong."""
    read_foreign(f"{API}kind: {kind}\nmetadata: {{name: x}}\nspec: {json.dumps(tree)}\n")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["kprobes", "lsmhooks", "tracepoints", "lists", "enforcers", "options"]),
    st.dictionaries(_WORDS, _TREES, max_size=6),
)
def test_any_structure_as_an_item(key, item):
    """Every reader of an item meets every form."""
    read_foreign(f"{HEAD}spec: {json.dumps({key: [item]})}\n")


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    _CALLS,
    st.lists(_TYPED, max_size=4),
    st.lists(_ITEM, max_size=3),
    st.sampled_from(["Post", "Sigkill"]),
)
def test_any_filter_of_any_function(call, declared, items, action):
    """Every operand meets every operator and every value."""
    selector = {"matchArgs": items, "matchActions": [{"action": action}]}
    item = {"call": call, "args": declared, "selectors": [selector]}
    read_foreign(f"{HEAD}spec: {json.dumps({'kprobes': [item]})}\n")


# ---- Points of the kernel -------------------------------------------------------------------------


def point_of(text):
    (rule,) = spec(text).rules
    return rule.point, {c.operand: c for c in rule.conditions if c.operand is not None}


def unlinking(selector, more=""):
    return hook(
        f"{{{selector}, matchActions: [{{action: Sigkill}}]}}",
        call="do_unlinkat",
        args="[{index: 0, type: int}, {index: 1, type: filename}]",
        more=more,
    )


def test_a_function_that_no_hook_means_is_a_point():
    """At its entry, by what is declared, and killing after the effect is what was asked for."""
    policy = spec(
        unlinking("matchArgs: [{index: 1, operator: Postfix, values: [.key]}], matchBinaries: []")
    )

    (rule,) = policy.rules
    assert Point(PointKind.KPROBE, "do_unlinkat") == rule.point
    (operand,) = {c.operand for c in rule.conditions if c.operand}
    assert Operand(1, OperandType.TEXT, ("name",)) == operand
    assert (Verb.KILL, True) == (rule.action.verb, policy.allow_degraded)


@pytest.mark.parametrize(
    ("kind", "operator", "values", "wanted"),
    [
        ("int", "Equal", "[-2]", [(2**64 - 2, 2**64 - 2)]),
        ("uint32", "Equal", "[7]", [(7, 7)]),
        ("sint32", "LessThan", "[0]", [(2**64 - 2**31, 2**64 - 1)]),
        ("uint64", "GT", "[5]", [(6, 2**64 - 1)]),
        ("int8", "InRange", "['-1:1']", [(2**64 - 1, 2**64 - 1), (0, 1)]),
        ("auto", "NotEqual", "[1]", [(1, 1)]),
    ],
)
def test_numbers_at_a_point(kind, operator, values, wanted):
    """With the sign and the width that the policy gives them."""
    text = hook(
        f"{{matchArgs: [{{index: 0, operator: {operator}, values: {values}}}]}}",
        call="do_unlinkat",
        args=f"[{{index: 0, type: {kind}}}]",
    )

    _, found = point_of(text)

    (condition,) = found.values()
    assert wanted == [(v.low, v.high) for v in condition.values]
    assert ("Not" in operator) is condition.negate


def test_what_a_function_returns_is_compared_at_its_end():
    """With the arguments that it was given."""
    point, found = point_of(
        unlinking(
            "matchArgs: [{index: 0, operator: Equal, values: [-100]}], "
            "matchReturnArgs: [{operator: Equal, values: [0]}]",
            ", return: true, returnArg: {index: 0, type: int}",
        )
    )

    assert Point(PointKind.KRETPROBE, "do_unlinkat") == point
    assert {0, RETURNS} == {operand.index for operand in found}


def test_members_and_other_arguments_make_a_known_hook_a_point():
    """What its meaning has not is looked at where the kernel passes."""
    args = "[{index: 0, type: uint64, resolve: f_inode.i_ino}]"
    text = hook("{matchArgs: [{index: 0, operator: Equal, values: [5]}]}", args=args)

    point, found = point_of(text)

    # security_file_open calls the hook with the same arguments, where it can be refused.
    assert Point(PointKind.LSM, "file_open") == point
    assert [("f_inode", "i_ino")] == [operand.members for operand in found]


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("{lsmhooks: [{hook: file_lock}]}", Point(PointKind.LSM, "file_lock")),
        ("{kprobes: [{call: security_file_lock}]}", Point(PointKind.KPROBE, "security_file_lock")),
        (
            "{tracepoints: [{subsystem: sched, event: sched_process_exec, raw: true}]}",
            None,
        ),
    ],
)
def test_hooks_without_selectors(text, point):
    """Every passing is recorded; what a hook means is decided there all the same."""
    (rule,) = spec(text).rules

    assert point == rule.point


def test_one_of_both_names_is_printed_and_read_again():
    """convert writes points as the language has them."""
    text = unlinking(
        "matchArgs: [{index: 1, operator: Equal, values: [a]}, {index: 0, operator: Mask, values: [4]}]"
    )

    printed = print_policies([spec(text)])

    assert "kprobe: do_unlinkat" in printed
    again = load(printed)
    assert {c.operand for c in again.rules[0].conditions} == {
        c.operand for c in spec(text).rules[0].conditions
    }


@pytest.mark.parametrize(
    ("items", "printed"),
    [
        (
            ["NotPrefix, values: [/usr/]", "NotPrefix, values: [/lib/]"],
            "notPrefix: [/usr/, /lib/]",
        ),
        (["NotPostfix, values: [a]", "NotPostfix, values: [b, a]"], "notSuffix: [a, b]"),
        ([f"NotEqual, values: [/{name}]" for name in "abcd"], "notIn: [/a, /b, /c, /d]"),
        (["Prefix, values: [/usr/]"] * 2, "prefix: /usr/"),
    ],
)
def test_filters_on_one_argument_are_printed_as_one_condition(items, printed):
    """Where the language takes an operator once, and one list means the same."""
    filters = ", ".join(f"{{index: 0, operator: {item}}}" for item in items)

    text = print_policies([spec(matching(filters))])

    assert printed in text
    assert 1 == len(load(text).rules[0].conditions)


def test_filters_on_a_result_are_printed_as_one_condition():
    """There is one item for what a function returns."""
    text = unlinking(
        "matchReturnArgs: [{operator: NotEqual, values: [0]}, {operator: NotEqual, values: [-2]}]",
        ", return: true, returnArg: {index: 0, type: int}",
    )

    printed = print_policies([spec(text)])

    assert "notIn: [0, -2]" in printed
    assert load(printed).rules


def test_results_that_cannot_be_printed_have_a_place():
    """Two lists of which the result must be in both."""
    text = unlinking(
        "matchReturnArgs: [{operator: Equal, values: [0, 1]}, {operator: Equal, values: [1, 2]}]",
        ", return: true, returnArg: {index: 0, type: int}",
    )

    with pytest.raises(PolicyError, match="need one operator twice") as refused:
        print_policies([spec(text)])

    assert FILE == refused.value.span.file


@pytest.mark.parametrize(
    ("operator", "values", "kind", "field"),
    [
        ("DAddr", "[10.0.0.0/8]", OperandType.SKB, "address"),
        ("NotDPort", "[53]", OperandType.SKB, "port"),
        ("SAddr", "[10.0.0.1]", OperandType.SKB_SOURCE, "address"),
        ("NotSPort", "[53]", OperandType.SKB_SOURCE, "port"),
        ("Protocol", "[IPPROTO_UDP]", OperandType.SKB, "protocol"),
    ],
)
def test_ends_of_a_packet(operator, values, kind, field):
    """The operator says which."""
    text = hook(
        f"{{matchArgs: [{{index: 0, operator: {operator}, values: {values}}}]}}",
        call="sends",
        args="[{index: 0, type: skb}]",
    )

    (rule,) = spec(text).rules

    compared = rule.conditions[0]
    assert (kind, field) == (compared.operand.type, compared.field.name)


@pytest.mark.parametrize(
    ("kind", "operator", "values", "message"),
    [
        ("char_buf", "Equal", "[a]", "needs sizeArgIndex"),
        ("iov_iter", "Equal", "[1]", "arguments of type iov_iter are not compared"),
        ("int", "Prefix", "[a]", "is a number"),
        ("file", "GT", "[3]", "is compared with"),
        ("sock", "SAddr", "[10.0.0.1]", "SAddr is not supported by this version"),
    ],
)
def test_what_is_not_compared_at_a_point(kind, operator, values, message):
    """Refused by name."""
    text = hook(
        f"{{matchArgs: [{{index: 3, operator: {operator}, values: {values}}}]}}",
        call="takes",
        args=f"[{{index: 3, type: {kind}}}]",
    )

    assert any(message in line for line in refused(text)), refused(text)


@pytest.mark.parametrize(
    ("filter_", "operations"),
    [
        ("Mask, values: [7]", ["read", "write", "mmapExec"]),
        ("Mask, values: [3, 4]", ["read", "write", "mmapExec"]),
        ("GT, values: [3]", ["mmapExec"]),
        ("InRange, values: ['2:7']", ["write", "mmapExec"]),
        ("LT, values: [4]", ["read", "write"]),
        ("In, values: [4, 6]", ["mmapExec"]),
    ],
)
def test_every_protection_that_a_filter_holds_for_is_decided(filter_, operations):
    """A mapping for several purposes counts as each of them."""
    text = matching(
        f"{{index: 1, operator: {filter_}}}",
        call="security_mmap_file",
        args="[{index: 1, type: int}]",
    )

    found = {op.name for rule in spec(text).rules if rule.event == "file" for op in rule.operations}
    assert set(operations) == found


def test_what_is_repeated_and_stricter_stays():
    """The call by descriptor also decides on descriptors that were open before."""
    text = (
        "{lists: [{name: both, type: syscalls, values: [sys_creat, sys_write]}], kprobes: [{"
        "call: 'list:both', syscall: true, args: [{index: 0, type: fd}], selectors: [{matchArgs: "
        "[{index: 0, operator: Prefix, values: [/srv/]}], matchActions: [{action: Sigkill}]}]}]}"
    )

    assert [False, True] == [rule.strict for rule in spec(text).rules]


@pytest.mark.parametrize(
    ("values", "address", "holds"),
    [
        ("['::/0']", "192.0.2.1", False),
        ("['::/0']", "2001:db8::1", True),
        ("['::/0']", "::", True),
        ("['::/64']", "192.0.2.1", False),
        ("['::/96']", "::1", True),
        ("['::ffff:192.0.2.0/120']", "192.0.2.1", True),
        ("['::/0', 0.0.0.0/0]", "192.0.2.1", True),
    ],
)
def test_networks_of_ipv6_have_no_addresses_of_ipv4(values, address, holds):
    """Tetragon keeps a table for each of them."""
    (rule,) = spec(matching(f"{{index: 0, operator: DAddr, values: {values}}}", **TCP)).rules
    (condition,) = [c for c in rule.conditions if c.field.name == "address"]

    ip = ipaddress.ip_address(address)
    number = int(ip) | (0xFFFF << 32 if ip.version == 4 else 0)
    assert holds == any(value.low <= number <= value.high for value in condition.values)


@pytest.mark.parametrize(
    ("filters", "events"),
    [
        ("", ["file mmapExec", "memory mapExec"]),
        ("{index: 2, operator: Mask, values: [1]}, ", ["file mmapExec", "memory mapExec"]),
        ("{index: 0, operator: Prefix, values: [/tmp/]}, ", ["file mmapExec"]),
        ("{index: 0, operator: FileType, values: [dir]}, ", ["file mmapExec"]),
    ],
)
def test_an_executable_mapping_may_have_no_file(filters, events):
    """A selector that compares no file also means memory that has none."""
    text = hook(
        f"{{matchArgs: [{filters}{{index: 1, operator: Mask, values: [4]}}], "
        "matchActions: [{action: Sigkill}]}",
        call="security_mmap_file",
        args="[{index: 0, type: file}, {index: 1, type: uint32}, {index: 2, type: uint32}]",
    )

    assert events == [f"{rule.event} {rule.operations[0].name}" for rule in spec(text).rules]
    assert len(events) == len(rules(text))
