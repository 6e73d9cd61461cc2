# SPDX-License-Identifier: MIT
"""How the probe turns refusals into answers, with a kernel that is made up."""

import errno

import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import functions, host, lsm_support, placement, probe, write_access
from enforcer.kernel.entries import can_override
from enforcer.kernel.lsm_support import Problem
from enforcer.kernel.placement import Placement
from enforcer.kernel.programs import HOOKS
from enforcer.libbpf import abi


@pytest.fixture
def refused(monkeypatch):
    """Return a set: programs that the kernel refuses, "identity" for those that keep labels."""
    names = set()

    def try_(specs, at):
        assert at is probe.find_placement()
        bad = sorted(names & ({spec.name for spec in specs} | {"identity"}))
        return f"{bad[0]} is not liked" if bad else None

    monkeypatch.setattr(probe, "find_placement", lambda: Placement.HOOKS)
    monkeypatch.setattr(placement.calls, "has_lsm_hook", lambda hook: "acl" not in hook)
    monkeypatch.setattr(placement.calls, "has_security_function", lambda name: "acl" not in name)
    monkeypatch.setattr(probe, "_try", try_)
    return names


def gives(report):
    return {each.op: each.gives for each in report.operations}


def test_everything_is_prevented_where_everything_loads(refused):
    """A whole kernel prevents all, but arguments are matched after the exec."""
    report = probe.examine()

    assert report.can_prevent
    assert () == report.problems
    less = {"exec": probe.KILLS_AFTER, "tracepoint": probe.KILLS_AFTER, "attempts": probe.OBSERVES}
    if not can_override():
        less |= {"syscall": probe.KILLS_AFTER, "kprobe": probe.KILLS_AFTER}
    assert less == {
        word: each.gives
        for each in report.operations
        for word in each.words
        if each.gives != probe.PREVENTS
    }


def test_every_operation_is_in_the_table(refused):
    """No operation is passed over."""
    assert list(abi.OPS) == list(dict.fromkeys(each.op for each in probe.examine().operations))


def test_each_kind_of_point_has_its_own_answer(refused):
    """A hook can refuse, and a tracepoint cannot."""
    found = {each.words: each.gives for each in probe.examine().operations if each.op == "POINT"}

    assert [("lsm",), ("kprobe",), ("tracepoint",)] == list(found)
    assert (probe.PREVENTS, probe.KILLS_AFTER) == (found["lsm",], found["tracepoint",])


def test_an_operation_with_one_refused_program_is_not_prevented(refused):
    """A gap in an operation is the whole operation; others are untouched."""
    refused.update({"enf_file_mprotect", "enf_socket_bind"})

    report = probe.examine()

    lost = {op for op, what in gives(report).items() if what == probe.NOTHING}
    assert {"MMAP_EXEC", "BIND"} == lost
    assert ["enf_file_mprotect is not liked", "enf_socket_bind is not liked"] == [
        problem.remedy for problem in report.problems
    ]


def test_without_labels_nothing_is_prevented(refused):
    """A kernel that refuses what keeps labels can decide for nobody; that is one problem."""
    refused.add("identity")

    report = probe.examine()

    assert not report.can_prevent
    assert [f"{len(HOOKS)} programs are refused"] == [problem.what for problem in report.problems]


def test_absent_optional_hooks_are_no_lack(refused):
    """Where a hook is another's later name, the operation is prevented all the same."""
    (xattr,) = (each for each in probe.examine().operations if each.op == "SETXATTR")

    assert (probe.PREVENTS, ("inode_setxattr", "inode_removexattr")) == (xattr.gives, xattr.hooks)


def test_where_write_access_is_not_told_names_are_in_doubt(refused, monkeypatch):
    """Said of the operations whose hooks get no mount."""
    monkeypatch.setattr(functions, "takes_at", lambda of: False)
    write_access.gap.cache_clear()
    try:
        found = {
            each.op for each in probe.examine().operations if "mnt_want" in (each.reason or "")
        }
    finally:
        write_access.gap.cache_clear()

    assert {"SETXATTR", "ATTRIBUTES"} == found


def test_a_machine_without_lsm_gives_nothing(monkeypatch):
    """One reason stands for all operations."""
    monkeypatch.setattr(probe, "find_placement", lambda: Problem("no LSM", "boot another"))

    report = probe.examine()

    assert {probe.NOTHING} == set(gives(report).values())
    assert (Problem("no LSM", "boot another"),) == report.problems


def test_programs_that_are_never_called_are_a_problem(monkeypatch):
    """Loading and attaching is not enough; the remedy names the whole list."""
    monkeypatch.setattr(lsm_support.host, "require_privileges", lambda: None)
    monkeypatch.setattr(lsm_support.calls, "has_helper_loop", lambda: True)
    monkeypatch.setattr(lsm_support, "_count_calls", lambda at: 0)
    monkeypatch.setattr(lsm_support.host, "active_lsms", lambda: ("lockdown", "yama"))

    problem = lsm_support.find_problem()

    assert problem is not None
    assert "boot with lsm=lockdown,yama,bpf on the kernel command line" == problem.remedy
    with pytest.raises(UnsupportedError, match="never calls them"):
        lsm_support.check_lsm()


@pytest.fixture
def machine(monkeypatch):
    """Return what the kernel does with the counting program at each place: calls it, or raises."""
    counts = {}

    def count(at):
        if isinstance(counts[at], KernelError):
            raise counts[at]
        return counts[at]

    monkeypatch.setattr(lsm_support.host, "require_privileges", lambda: None)
    monkeypatch.setattr(lsm_support.calls, "has_helper_loop", lambda: True)
    monkeypatch.setattr(lsm_support.host, "active_lsms", lambda: ("yama",))
    monkeypatch.setattr(lsm_support, "_count_calls", count)
    return counts


_NO_HOOK = KernelError("no BTF of bpf_lsm_file_open", errno.ESRCH)
_REFUSED = KernelError("not permitted", errno.EPERM)


@pytest.mark.parametrize(
    ("hooks", "around", "chosen"),
    [
        (1, 1, Placement.HOOKS),
        (0, 1, Placement.AROUND),
        (_NO_HOOK, 1, Placement.AROUND),  # built without CONFIG_BPF_LSM
        (0, 0, "never calls them"),
        (0, _NO_HOOK, "never calls them"),
        (_NO_HOOK, 0, "no BTF of"),
        (_REFUSED, 1, "refuses LSM programs even from root"),
    ],
)
def test_hooks_are_preferred_to_functions(machine, hooks, around, chosen):
    """By what is called; a refusal is no reason to try another door."""
    machine.update({Placement.HOOKS: hooks, Placement.AROUND: around})

    if isinstance(chosen, Placement):
        assert chosen is lsm_support.check_lsm()
    else:
        with pytest.raises(UnsupportedError, match=chosen):
            lsm_support.check_lsm()


def test_around_functions_capabilities_of_files_come_late(refused, monkeypatch):
    """All else is prevented; the table names functions, and what may pass tasks by is a problem."""
    monkeypatch.setattr(probe, "find_placement", lambda: Placement.AROUND)
    monkeypatch.setattr(probe.host, "preempts", lambda: True)

    report = probe.examine()

    found = {each.op: each for each in report.operations}
    assert probe.KILLS_AFTER == found["EXEC_CREDS"].gives
    assert probe.PREVENTS == found["EXEC"].gives
    assert ("security_bprm_check", "security_bprm_creds_for_exec") == found["EXEC"].hooks
    assert ("security_create_user_ns",) == found["USERNS"].hooks
    assert "pass undecided" in report.problems[0].what
    assert "security_* functions, since bpf is not among the active LSMs" == report.way


def test_around_functions_without_preemption_is_no_problem(refused, monkeypatch):
    """Nothing but a re-entry can pass anybody by then."""
    monkeypatch.setattr(probe, "find_placement", lambda: Placement.AROUND)
    monkeypatch.setattr(probe.host, "preempts", lambda: False)

    assert () == probe.examine().problems


def test_calls_that_pass_are_said_where_they_could_be_prevented(refused, monkeypatch):
    """No problem of the machine, which decides all else: a reason beside the word."""
    monkeypatch.setattr(probe.host, "preempts", lambda: True)
    monkeypatch.setattr(probe.host, "gives_up_labels", lambda: False)
    monkeypatch.setattr(probe.entries, "can_override", lambda: True)

    report = probe.examine()

    found = {word: each for each in report.operations for word in each.words}
    assert () == report.problems
    for word in ("syscall", "kprobe"):
        assert probe.PREVENTS == found[word].gives
        assert "pass undecided" in found[word].reason
    assert found["lsm"].reason is None


def test_an_old_kernel_is_refused_in_one_sentence(monkeypatch):
    """A missing helper, not a version number, tells an old kernel."""
    monkeypatch.setattr(lsm_support.host, "require_privileges", lambda: None)
    monkeypatch.setattr(lsm_support.calls, "has_helper_loop", lambda: False)

    with pytest.raises(UnsupportedError, match=r"lacks the BPF helper bpf_loop: use Linux 6\.1"):
        lsm_support.check_lsm()


def test_a_user_without_rights_is_told_so(monkeypatch, tmp_path):
    """Missing privileges come before everything else."""
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000000000\n")
    monkeypatch.setattr(host, "_STATUS", status)

    with pytest.raises(UnsupportedError, match="sudo"):
        lsm_support.check_lsm()
