# SPDX-License-Identifier: MIT
"""The ABI header, the extension, the built objects and the language's tables say the same."""

import hashlib
import re
from pathlib import Path

import pytest
from btf_reader import Btf

from enforcer.kernel import loader
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import ffi
from enforcer.libbpf.handles import BpfObject
from enforcer.policy.language import vocabulary
from enforcer.policy.model import policy as model

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "bpf" / "include" / "enforcer_abi.h"
OBJECTS = ROOT / "enforcer" / "libbpf" / "objects"
TEXT = HEADER.read_text()


@pytest.fixture(scope="module")
def btf():
    return Btf(OBJECTS / "abi.bpf.o")


def flags(prefix):
    """Return the constants of the header that begin with *prefix*, by the rest of their names."""
    found = re.findall(rf"^#define {prefix}(\w+) ", TEXT, flags=re.MULTILINE)
    return {name: abi.constant(prefix + name) for name in found}


def test_every_structure_of_the_header_is_known():
    """A structure that is added to the header is compared with the objects, too."""
    written = re.findall(r"^struct (enf_\w+) \{", TEXT, flags=re.MULTILINE)

    assert sorted(written) == sorted(abi.STRUCTS)


def test_every_enumeration_of_the_header_is_known():
    """An enumeration that is added to the header is compared with the objects, too."""
    written = re.findall(r"^enum (enf_\w+) \{", TEXT, flags=re.MULTILINE)

    assert sorted(written) == sorted(abi.ENUMS)


@pytest.mark.parametrize("name", abi.STRUCTS)
def test_structures_lie_alike_for_kernel_and_extension(btf, name):
    """clang for BPF and the C compiler of the extension lay every structure out alike."""
    size, fields = btf.structure(name)

    ours = {
        field: (place.offset, ffi.sizeof(place.type)) for field, place in abi.ctype(name).fields
    }
    assert (size, fields) == (abi.sizeof(name), ours)


@pytest.mark.parametrize("name", abi.ENUMS)
def test_enumerations_agree(btf, name):
    """Every enumerator has one value, and the end mark is one more than the last."""
    members = btf.enumeration(name)

    assert members == dict(ffi.typeof(f"enum {name}").relements)
    (end,) = (value for member, value in members.items() if member.startswith("_"))
    assert end == max(v for m, v in members.items() if not m.startswith("_")) + 1


def test_operations_of_the_language_are_those_of_the_header():
    """The compiler sets the bits that the hooks test."""
    assert abi.OPS == {op.name: op.value for op in vocabulary.Op}


def test_dimensions_of_the_language_are_those_of_the_header():
    """The compiler's terms look at what the hooks fill in."""
    assert abi.DIMS == {dim.name: dim.value for dim in vocabulary.Dim}


def test_object_flags_of_the_language_are_those_of_the_header():
    """A flag means the same fact on both sides."""
    assert flags("ENF_OF_") == {flag.name: flag.value for flag in vocabulary.ObjectFlag}


def test_subject_flags_of_the_language_are_those_of_the_header():
    """A flag means the same fact on both sides; the header may have more of its own."""
    ours = {flag.name: flag.value for flag in vocabulary.SubjectFlag}

    assert ours == {name: v for name, v in flags("ENF_SF_").items() if name in ours}


def test_actions_of_the_model_are_those_of_the_header():
    """The order of strictness is the numeric order of the kernel side."""
    actions = abi.enumeration("enf_action", "ENF_ACT_")

    assert {k: v for k, v in actions.items() if k != "NONE"} == {
        verb.name: verb.value for verb in model.Verb
    }


def test_error_directions_of_the_model_are_those_of_the_header():
    """What an unreadable operand means is numbered alike."""
    directions = abi.enumeration("enf_on_error", "ENF_ERR_")

    assert directions == {direction.name: direction.value for direction in model.OnError}


def test_the_extension_carries_the_hash_of_this_header():
    """A header that was changed without a build is seen."""
    digest = hashlib.sha256(HEADER.read_bytes()).digest()

    assert int.from_bytes(digest[:8], "big") == abi.ABI_HASH


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


def test_unknown_constant_is_our_error():
    """A name that the header lost is found at the first use, as an error of ours."""
    with pytest.raises(loader.EnforcerBug, match="ENF_NO_SUCH"):
        abi.constant("ENF_NO_SUCH")
