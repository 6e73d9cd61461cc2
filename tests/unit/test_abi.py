# SPDX-License-Identifier: MIT
"""The ABI header, what Python has of it, the extension, the built objects and the language's tables say the same."""

import ast
import hashlib
import re
from collections import Counter
from pathlib import Path

import header
import pytest
from btf_reader import Btf

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.kernel import loader
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import ffi
from enforcer.libbpf.handles import BpfObject
from enforcer.policy.language import vocabulary
from enforcer.policy.model import policy as model
from enforcer.structure import Layout

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "bpf" / "include" / "enforcer_abi.h"
OBJECTS = ROOT / "enforcer" / "libbpf" / "objects"
TEXT = HEADER.read_text()
MODULES = sorted({*(ROOT / "enforcer").rglob("*.py")} - {Path(_abi.__file__)})
CONSTANTS = re.findall(r"^#define (ENF_\w+)", TEXT, flags=re.MULTILINE)
NUMBERS = {name: value for name, value in vars(_abi).items() if name.startswith("ENF_")}
ENUMS = re.findall(r"^enum (enf_\w+) \{", TEXT, flags=re.MULTILINE)
CLASSES = {
    "enf_op": _abi.Op,
    "enf_dim": _abi.Dim,
    "enf_on_error": _abi.OnError,
    "enf_term_kind": _abi.TermKind,
    "enf_end_how": _abi.EndHow,
    "enf_point_kind": _abi.PointKind,
    "enf_line_how": _abi.LineHow,
}


@pytest.fixture(scope="module")
def btf():
    return Btf(OBJECTS / "abi.bpf.o")


def literals(tree):
    """Yield each class or module of *tree* with the names that are plain numbers in it."""
    for owner in ast.walk(tree):
        if isinstance(owner, ast.Module | ast.ClassDef):
            yield getattr(owner, "name", "the module"), dict(named_numbers(owner.body))


def named_numbers(body):
    for line in body:
        match line:
            case (
                ast.Assign(targets=[ast.Name(name)], value=ast.Constant(int() as number))
                | ast.AnnAssign(target=ast.Name(name), value=ast.Constant(int() as number))
            ):
                yield name.lstrip("_"), number


def copies(text):
    """Return what in the source *text* has three numbers of the header that belong together, or names one."""
    found = []
    for owner, ours in literals(ast.parse(text)):
        alike = Counter(
            name.removesuffix(word)
            for word, value in ours.items()
            for name, number in NUMBERS.items()
            if name.endswith(f"_{word}") and number == value
        )
        found += [f"{owner}: {prefix}" for prefix, times in alike.items() if times > 2]
    beside = re.compile(r"= *(?:0x[0-9a-fA-F]+|[0-9]+)(?: << [0-9]+)? *(?:#|\n\"\"\").*\bENF_\w+")
    return found + beside.findall(text)


def flags(prefix):
    """Return the constants of the header that begin with *prefix*, by the rest of their names."""
    found = re.findall(rf"^#define {prefix}(\w+) ", TEXT, flags=re.MULTILINE)
    return {name: header.constant(prefix + name) for name in found}


def test_every_structure_of_the_header_is_known():
    """Python has every structure; each is compared with the objects, too."""
    written = re.findall(r"^struct (enf_\w+) \{", TEXT, flags=re.MULTILINE)

    assert sorted(written) == sorted(_abi.SIZES)
    assert sorted(written) == sorted(_abi.FIELDS)


def test_every_number_of_the_header_is_known():
    """Python has every constant and every member of an enumeration, with the C compiler's value."""
    members = [name for enum in ENUMS for name in header.enumeration(enum, "")]

    assert NUMBERS == {name: header.constant(name) for name in (*CONSTANTS, *members)}


@pytest.mark.parametrize("name", _abi.SIZES)
def test_structures_lie_alike_for_kernel_and_extension(btf, name):
    """clang for BPF and the C compiler of the extension lay every structure out alike."""
    assert btf.structure(name) == header.structure(name)


@pytest.mark.parametrize("name", _abi.SIZES)
def test_structures_lie_alike_for_python(name):
    """What Python unpacks lies where the C compiler has put it."""
    ours = {field: abi.place(name, field) for field in _abi.FIELDS[name]}

    assert header.structure(name) == (abi.sizeof(name), ours)
    assert abi.sizeof(name) == Layout.of(name).size


@pytest.mark.parametrize("name", ENUMS)
def test_enumerations_agree(btf, name):
    """Every enumerator has one value, and the end mark is one more than the last."""
    members = btf.enumeration(name)

    assert members == dict(ffi.typeof(f"enum {name}").relements)
    (end,) = (value for member, value in members.items() if member.startswith("_"))
    assert end == max(v for m, v in members.items() if not m.startswith("_")) + 1


@pytest.mark.parametrize("name", CLASSES)
def test_enumerations_of_python_agree(name):
    """Its members are those of C, less what all their names begin with."""
    members = header.enumeration(name, "")
    (prefix,) = {
        full.removesuffix(each.name) for full, each in zip(members, CLASSES[name], strict=True)
    }

    assert {prefix + each.name: each.value for each in CLASSES[name]} == members


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(_abi.ObjectFlag, "ENF_OF_"), (_abi.RowFlag, "ENF_RF_"), (_abi.EventFlag, "ENF_EF_")],
)
def test_flags_of_python_agree(kind, prefix):
    """A class of flags has all constants of its prefix."""
    assert flags(prefix) == {flag.name: flag.value for flag in kind}


def test_operations_of_the_language_are_those_of_the_header():
    """The compiler sets the bits that the hooks test."""
    ours = {op.name: op.value for op in vocabulary.Op}

    assert abi.OPS == ours == header.enumeration("enf_op", "ENF_OP_")


def test_dimensions_of_the_language_are_those_of_the_header():
    """The compiler's terms look at what the hooks fill in."""
    ours = {dim.name: dim.value for dim in vocabulary.Dim}

    assert abi.DIMS == ours == header.enumeration("enf_dim", "ENF_DIM_")


def test_object_flags_of_the_language_are_those_of_the_header():
    """A flag means the same fact on both sides."""
    assert flags("ENF_OF_") == {flag.name: flag.value for flag in vocabulary.ObjectFlag}


def test_subject_flags_of_the_language_are_those_of_the_header():
    """A flag means the same fact on both sides; the header may have more of its own."""
    ours = {flag.name: flag.value for flag in vocabulary.SubjectFlag}

    assert ours == {name: v for name, v in flags("ENF_SF_").items() if name in ours}


def test_actions_of_the_model_are_those_of_the_header():
    """The order of strictness is the numeric order of the kernel side."""
    actions = header.enumeration("enf_action", "ENF_ACT_")

    assert {k: v for k, v in actions.items() if k != "NONE"} == {
        verb.name: verb.value for verb in model.Verb
    }


def test_error_directions_of_the_model_are_those_of_the_header():
    """What an unreadable operand means is numbered alike."""
    directions = header.enumeration("enf_on_error", "ENF_ERR_")

    assert directions == {direction.name: direction.value for direction in model.OnError}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_numbers_of_the_header_are_written_once(path):
    """No module has numbers of its own that stand in the header."""
    assert [] == copies(path.read_text())


def test_the_check_sees_a_copy():
    """A class with the header's words, a constant with its name; numbers of others are no copies."""
    kinds = "class Kind:\n    LSM: Final = 1\n    KPROBE = 2\n    KRETPROBE = 3\n"

    assert ["Kind: ENF_POINT_"] == copies(kinds)
    assert [] == copies(kinds.replace("3", "4"))
    assert ["the module: ENF_OPERAND_"] == copies(
        "_SIGNED = 0x1\n_INLINE: Final = 2\n_SWAPPED = 4\n"
    )
    assert ["= 4  # ENF_ROW_MARKS"] == copies("MOST = 4  # ENF_ROW_MARKS\n")
    assert [] == copies("MOST = _abi.ENF_ROW_MARKS\nLESS = 3\n")


def test_the_extension_carries_the_hash_of_this_header():
    """A header that was changed without a build is seen."""
    digest = hashlib.sha256(HEADER.read_bytes()).digest()

    assert int.from_bytes(digest[:8], "big") == header.constant("ENF_ABI_HASH") == abi.ABI_HASH


@pytest.mark.parametrize("path", sorted(OBJECTS.glob("*.bpf.o")), ids=lambda p: p.name)
def test_every_object_carries_the_hash_of_the_extension(path):
    """Objects and extension are of one build."""
    with BpfObject.open(path.read_bytes(), path.name.removesuffix(".bpf.o")) as opened:
        assert opened.get_constant("enf_abi_hash", size=8) == abi.ABI_HASH


def test_an_object_of_another_header_is_refused(monkeypatch):
    """A stale object never reaches the kernel."""
    monkeypatch.setattr(abi, "ABI_HASH", abi.ABI_HASH ^ 1)

    with pytest.raises(loader.EnforcerBug, match="from another enforcer_abi"):
        loader.open_object("probe")


def test_decoder_reads_what_the_compiler_wrote():
    """A decoder made from the layout returns every field at its place."""
    event = ffi.new("struct enf_event *", {"size": 200, "error": -1, "port": 443})
    event.comm = b"sleep"
    form, names = abi.decoder("enf_event")

    values = dict(zip(names, form.unpack(bytes(ffi.buffer(event))), strict=True))

    assert (200, -1, 443) == (values["size"], values["error"], values["port"])
    assert b"sleep" == values["comm"].rstrip(b"\0")


def test_decoder_counts_array_elements():
    """An array of numbers is one value for each element."""
    found, names = abi.decoder("enf_object")

    assert found.size == abi.sizeof("enf_object")
    assert ["op[0]", "op[1]", "op[2]", "op[3]"] == [n for n in names if n.startswith("op[")]


def test_unknown_structure_is_our_error():
    """A name that the header lost is found at the first use, as an error of ours."""
    with pytest.raises(EnforcerBug, match="enf_no_such"):
        Layout.of("enf_no_such")
