# SPDX-License-Identifier: MIT
"""The table of operations against the programs of the built objects, and against what these are made of."""

import re
from pathlib import Path

import pytest

from enforcer.errors import EnforcerBug
from enforcer.kernel import core, loader, programs, write_access
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi
from enforcer.policy.language.operations import OPERATION_TABLE, hooks_of
from enforcer.policy.language.vocabulary import EVENTS, FIELDS, Op

SOURCES = Path(__file__).parents[3] / "bpf"

ROWS = tuple(OPERATION_TABLE.values())
PREFIXES = tuple(row.prefix for row in ROWS if row.prefix)
DECIDED_BY = {hook.program: hook.name for row in ROWS for hook in (*row.hooks, *row.without_bpf)}
"""The hooks of the table, by program."""

UNDECIDING = {
    # They keep what is known of processes.
    **{spec.name: spec.hook for spec in (*programs.IDENTITY, *programs.CODE)},
    # They void what is remembered of files.
    **{spec.name: spec.hook for spec in programs.NAMES},
    # They protect the engine, whatever the policies say.
    **{spec.name: spec.hook for spec in programs.GUARD},
}
"""LSM programs that decide no operation, by name."""

OF_NO_HOOK = {
    *(programs.LABEL_TASKS, programs.MEET_TASKS, programs.TELL_REPEATS),
    *(programs.GUARD_EXIT, programs.GUARD_CONTROL),
    write_access.PROGRAM,
    *core.STUBS.values(),  # what the programs of hooks call to decide
}
"""Programs that are at no LSM hook and decide no operation by themselves."""


@pytest.fixture(scope="module")
def built():
    """Return the sections of all programs of the engine's object, by program."""
    with loader.open_object(loader.ENGINE) as engine:
        return {name: program.section for name, program in engine.programs.items()}


def test_every_operation_of_the_abi_has_a_row():
    """An operation that is not in the table has no name and no hook."""
    assert {row.op.name: row.op.value for row in ROWS} == abi.OPS
    assert list(OPERATION_TABLE) == [row.op for row in ROWS]
    assert set(Op) == set(OPERATION_TABLE)


def test_every_row_says_where_it_is_decided():
    """At hooks, or where rules say: never at both, and never nowhere."""
    assert [] == [row.op for row in ROWS if bool(row.hooks) is bool(row.prefix)]


def test_the_table_has_the_deciding_programs_of_the_object_and_no_others(built):
    """A program that is not in the table would never be attached, and a misspelt hook not be found."""
    hooks = {
        name: section.partition("/")[2]
        for name, section in built.items()
        if section.startswith("lsm") and not name.startswith(PREFIXES)
    }

    assert {name: hook for name, hook in hooks.items() if name not in UNDECIDING} == DECIDED_BY
    assert UNDECIDING.items() <= hooks.items()


def test_other_programs_decide_where_rules_name_the_place(built):
    """What is at no hook begins as one row says, and each of these rows has some."""
    others = {name for name, section in built.items() if not section.startswith("lsm")}

    assert OF_NO_HOOK <= others
    assert all(name.startswith(PREFIXES) for name in others - OF_NO_HOOK)
    for prefix in PREFIXES:
        assert any(name.startswith(prefix) for name in others), prefix


def test_a_program_has_one_hook():
    """Two rows never put the same program at different hooks."""
    pairs = {hook for row in ROWS for hook in (*row.hooks, *row.without_bpf)}

    assert len(pairs) == len(DECIDED_BY)


def test_every_program_of_the_table_is_attached():
    """The order of attachment has all of them, each once, with what their rows say."""
    assert sorted(DECIDED_BY) == sorted(spec.name for spec in programs.HOOKS)
    for spec in programs.HOOKS:
        rows = [
            row
            for row in ROWS
            if any(hook.program == spec.name for hook in (*row.hooks, *row.without_bpf))
        ]
        assert DECIDED_BY[spec.name] == spec.hook
        assert sum(1 << row.op for row in rows) == spec.ops


def test_where_bpf_is_among_the_lsms_and_where_not():
    """What is decided by another program there is loaded for that placement only."""
    only = {spec.name: spec.only for spec in programs.HOOKS if spec.only is not None}
    differing = [row for row in ROWS if row.without_bpf]

    assert differing
    assert only == {
        **{hook.program: Placement.HOOKS for row in differing for hook in row.hooks},
        **{hook.program: Placement.AROUND for row in differing for hook in row.without_bpf},
    }


def test_a_program_that_no_operation_names_is_our_error():
    """A misspelt program in the order of attachment is found at import."""
    with pytest.raises(EnforcerBug, match="enf_file_opne"):
        programs._hook("enf_file_opne")


def test_hooks_are_named_once_in_the_order_of_operations():
    """However many of them are decided there."""
    assert ("file_open", "quota_on") == hooks_of([Op.READ, Op.APPEND])
    assert ("path_unlink", "path_rename") == hooks_of({Op.UNLINK})[:2]
    assert () == hooks_of([Op.SYSCALL])


def test_rows_have_words_and_fields_of_the_language():
    """What may be compared is a field, and what a policy names a word."""
    for row in ROWS:
        assert row.operands <= FIELDS.keys(), row.op
        assert row.phrase.endswith("."), row.op
    for event in EVENTS.values():
        for op in event.everything:
            assert event.name == OPERATION_TABLE[op].event
            assert OPERATION_TABLE[op].word in event.operations


# ---- The sources ----------------------------------------------------------------------------------

NOT_ASKED = {
    # enf_layer_made() asks about the guard of names as it makes a node, and not otherwise.
    "enf_inode_create": {"NAME_GUARD"},
    "enf_layer_mkdir": {"NAME_GUARD"},
}
"""Operations that the source of a program names, and that it does not ask about."""

_FUNCTION = re.compile(
    r"^[a-z_][\w \t*]*?\b(\w+)\(([^;{}]*?)\)\s*\n\{(.*?)^\}", re.DOTALL | re.MULTILINE
)
_REMARK = re.compile(r"/\*.*?\*/|^SEC\(.*?$|[!=]= ENF_OP_\w+", re.DOTALL | re.MULTILINE)


def functions():
    """Return the bodies of the functions of the kernel side, by name: without remarks and comparisons."""
    found = {}
    for path in sorted(SOURCES.rglob("*.[ch]")):
        for name, arguments, body in _FUNCTION.findall(_REMARK.sub("", path.read_text("utf-8"))):
            program = arguments.partition(",")[0].strip()
            found.setdefault(program if name == "BPF_PROG" else name, []).append(body)
    return found


def test_programs_ask_about_the_operations_of_their_rows():
    """Whatever a program and the functions that it uses name is in the table, and nothing else."""
    bodies = functions()

    def named(program):
        seen, pending, operations = set(), [program], set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for body in bodies[name]:
                operations.update(re.findall(r"ENF_OP_(\w+)", body))
                pending += [word for word in re.findall(r"\w+", body) if word in bodies]
        return operations

    for spec in programs.HOOKS:
        asked = named(spec.name) - NOT_ASKED.get(spec.name, set())
        assert set(programs.names(spec.ops)) == asked, spec.name
