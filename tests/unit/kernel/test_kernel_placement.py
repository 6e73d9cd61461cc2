# SPDX-License-Identifier: MIT
"""Where programs of LSM hooks are put: the functions around hooks, and what is loaded for them; no kernel."""

import errno

import attrs
import pytest

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host, loader, placement, programs
from enforcer.kernel.placement import Placement
from enforcer.libbpf.handles import How


@attrs.define
class FakeProgram:
    """Writes down what it is bound to."""

    error: KernelError | None = None
    bound: list = attrs.field(factory=list)

    def set_target(self, name):
        self.bound.append(name)

    def set_around(self, function, how):
        if self.error is not None:
            raise self.error
        self.bound.append((function, how))


@pytest.mark.parametrize(
    ("hook", "function"),
    [
        ("file_open", "security_file_open"),
        ("bprm_check_security", "security_bprm_check"),
        ("userns_create", "security_create_user_ns"),
        ("bpf_map_alloc_security", "security_bpf_map_alloc"),
        ("inode_init_security_anon", "security_inode_init_security_anon"),
    ],
)
def test_functions_are_named_after_hooks(hook, function):
    """But for a few."""
    assert function == placement.function_of(hook)
    assert (hook, function) == (
        placement.where(hook, Placement.HOOKS), placement.where(hook, Placement.AROUND)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hook", "how"),
    [
        ("file_open", How.BEFORE_RESULT),
        ("bprm_committed_creds", How.BEGINNING),
        ("bpf_prog_free", How.BEGINNING),
        ("bprm_creds_from_file", How.END),
    ],
)
def test_how_a_program_sits_on_a_function(hook, how):
    """Before the result, unless there is none, or what is decided is made inside."""
    at_hook, around = FakeProgram(), FakeProgram()

    placement.place(at_hook, hook, Placement.HOOKS)
    placement.place(around, hook, Placement.AROUND)

    assert [] == at_hook.bound  # as it was built
    assert [(placement.function_of(hook), how)] == around.bound


def test_a_missing_function_is_said_in_one_sentence():
    """With the way out."""
    program = FakeProgram(KernelError("no such function", errno.ESRCH))

    with pytest.raises(UnsupportedError, match=r"no function security_file_open.*lsm= list"):
        placement.place(program, "file_open", Placement.AROUND)


@pytest.mark.parametrize(("is_void", "how"), [(False, How.BEFORE_RESULT), (True, How.BEGINNING)])
def test_hooks_that_rules_name_need_the_same_arguments(monkeypatch, is_void, how):
    """Operands were found by the hook's; other arguments would be misread."""
    monkeypatch.setattr(placement.calls, "has_security_function", lambda name: True)
    monkeypatch.setattr(placement.calls, "are_alike", lambda one, other: "rename" not in other)
    program = FakeProgram()

    placement.place_at(program, "task_prctl", Placement.AROUND, is_void=is_void)

    assert [("security_task_prctl", how)] == program.bound
    with pytest.raises(UnsupportedError, match="security_inode_rename"):
        placement.place_at(program, "inode_rename", Placement.AROUND, is_void=False)
    placement.place_at(program, "inode_rename", Placement.HOOKS, is_void=False)
    assert "inode_rename" == program.bound[-1]


def test_who_was_passed_by_is_counted(monkeypatch):
    """Of what is loaded, and of what the kernel passes over: LSM programs always run."""
    counts = {5: 2, 6: 40, 8: 300}
    monkeypatch.setattr(placement.calls, "recursion_misses", counts.__getitem__)
    loaded = attrs.make_class("Loaded", ["fd", "is_passed_over"])
    programs_ = [loaded(5, True), loaded(6, True), loaded(7, False), loaded(-1, True)]

    assert 42 == placement.passed_by(programs_)


def test_programs_are_made_for_their_place():
    """Every program of the object can be put around its function, if this kernel describes it."""
    with loader.open_object(loader.ENGINE) as engine:
        for spec in programs.PROGRAMS:
            if not placement.has(spec.hook, Placement.AROUND):
                assert spec.optional, spec
                continue
            program = engine.programs[spec.name]
            assert not program.is_passed_over
            placement.place(program, spec.hook, Placement.AROUND)
            assert program.is_passed_over


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none (voluntary) full \n", False),
        ("(none) voluntary full\n", False),
        ("none voluntary (full)\n", True),
        ("none voluntary full (lazy)\n", True),
    ],
)
def test_preemption_is_what_was_chosen(tmp_path, text, expected):
    """The word in brackets counts."""
    file = tmp_path / "preempt"
    file.write_text(text)

    assert expected is host.preempts(file)


@pytest.mark.parametrize(
    ("version", "cmdline", "expected"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12", "quiet", None),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12", None, None),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12", "preempt=none quiet preempt=full", True),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12", "preempt=lazy", True),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12", "preempt=full preempt=voluntary", False),
        ("#1 SMP PREEMPT Debian", "preempt=none", True),
        ("#1 SMP PREEMPT_RT Debian", "", True),
        ("#1 SMP Debian 6.1", "preempt=full", False),
    ],
)
def test_preemption_is_also_in_the_version(tmp_path, monkeypatch, version, cmdline, expected):
    """Where debugfs is not mounted; a kernel that can be told is asked what it was told at the boot."""
    if cmdline is not None:
        (tmp_path / "cmdline").write_text(cmdline + "\n")
    monkeypatch.setattr(
        host.os, "uname", lambda: attrs.make_class("U", ["version", "release"])(version, "6")
    )

    assert expected is host.preempts(tmp_path / "missing", tmp_path / "cmdline", tmp_path)


@pytest.mark.parametrize(
    ("config", "preempts", "voluntary"),
    [
        ("# CONFIG_PREEMPT_VOLUNTARY is not set\nCONFIG_PREEMPT=y\n", True, True),
        ("CONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT_VOLUNTARY=y\n", False, True),
        ("# CONFIG_PREEMPT is not set\nCONFIG_PREEMPT_LAZY=y\n", True, False),
        (None, None, False),
    ],
)
def test_what_a_kernel_was_built_to_is_asked_last(
    tmp_path, monkeypatch, config, preempts, voluntary
):
    """Lockdown closes debugfs, and the command line need not say a word."""
    made = attrs.make_class("U", ["version", "release"])("#1 SMP PREEMPT_DYNAMIC Debian", "7.3-x")
    monkeypatch.setattr(host.os, "uname", lambda: made)
    if config is not None:
        (tmp_path / "config-7.3-x").write_text(config)
    missing = tmp_path / "missing"

    assert preempts is host.preempts(missing, missing, tmp_path)
    assert voluntary is host.can_be_voluntary(missing, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("none voluntary (full)\n", True), ("full (lazy)\n", False), ("(voluntary) full\n", True)],
)
def test_a_kernel_lists_what_it_can_be_told(tmp_path, text, expected):
    """Linux 7 on x86 has no mode without."""
    (tmp_path / "preempt").write_text(text)

    assert expected is host.can_be_voluntary(tmp_path / "preempt")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (b"A bpf_task_storage_busy\n0 T bpf_task_storage_get", True),
        (b"A bpf_task_storage_busy\n0 T bpf_task_storage_get_recur", False),
        (b"A bpf_task_storage_busy_not\n0 T bpf_task_storage_get", False),
        (b"T bpf_task_storage_get", False),
        (None, False),
    ],
)
def test_labels_are_given_up_by_who_counts_askers(tmp_path, names, expected):
    """Linux 6.1, 6.12, none, 7.3, and one that shows no symbols."""
    file = tmp_path / "kallsyms"
    if names is not None:
        file.write_bytes(b"0 T _stext\n0 " + names + b"\n0 T bpf_task_storage_get_recur\t[m]\n")

    assert expected is host.gives_up_labels(file)


@pytest.mark.parametrize("kernels", ["bpf_prog_free_security", "bpf_prog_free"])
def test_a_hook_that_was_renamed_is_the_one_that_the_kernel_has(monkeypatch, kernels):
    """One function calls either, with another argument: a program for the other would not be verified."""
    monkeypatch.setattr(placement.calls, "has_security_function", lambda name: True)
    monkeypatch.setattr(
        placement.calls, "has_lsm_hook", lambda hook: hook in {kernels, "file_open"}
    )

    found = {
        hook: placement.has(hook, Placement.AROUND)
        for hook in ("bpf_prog_free_security", "bpf_prog_free", "file_open", "path_unlink")
    }

    assert found == {
        "bpf_prog_free_security": kernels == "bpf_prog_free_security",
        "bpf_prog_free": kernels == "bpf_prog_free",
        "file_open": True,
        "path_unlink": True,
    }
