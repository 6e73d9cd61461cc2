# SPDX-License-Identifier: MIT
"""What libbpf says, as text: which part is the verifier's, and what is left of a long one."""

import pytest

from enforcer.errors import EnforcerBug, KernelError, VerifierError
from enforcer.libbpf import _check, abi, calls, log

BEGIN = "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n"
END = "-- END PROG LOAD LOG --\nlibbpf: prog 'p': failed to load: -13\n"
LOG = "0: R1=ctx()\n1: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access\nprocessed 2 insns\n"


@pytest.fixture
def said(monkeypatch):
    """Return a list whose first element libbpf is taken to have said."""
    texts = [""]
    monkeypatch.setattr(log, "take", lambda: texts[0])
    return texts


def test_verifier_log_stands_between_its_marks():
    """Other messages are not the verifier's."""
    assert LOG == log.verifier_log(f"libbpf: something else\n{BEGIN}{LOG}{END}")


def test_the_last_of_two_logs_counts():
    """The program that failed is the last one."""
    assert LOG == log.verifier_log(f"{BEGIN}fine\n{END}{BEGIN}{LOG}{END}")


def test_a_log_without_its_beginning_is_still_one():
    """A long log loses its beginning, not its reason."""
    assert LOG == log.verifier_log(LOG + END)


@pytest.mark.parametrize("text", ["", "libbpf: failed to find valid kernel BTF\n", BEGIN])
def test_other_messages_are_no_log(text):
    """A failure without the verifier is not blamed on it."""
    assert log.verifier_log(text) is None


def test_a_reason_in_paragraphs_is_found(said):
    """As Linux 7.3 writes it: the last line is a suggestion, and no reason."""
    paragraphs = """\
0: R1=ctx()
Verification failed: Register Type Safety: Invalid dereference

Reason:
  R1 is an integer scalar here, not
  a pointer to memory.

At:
  p @ p.bpf.c:90:9

Suggestion:
  Preserve a pointer-valued register where needed, or reload
  and revalidate the pointer.

processed 2 insns
"""
    said[0] = BEGIN + paragraphs + END

    with pytest.raises(VerifierError) as caught:
        calls.check(-13, "load the object")

    assert (
        "cannot load the object: the verifier said of p: Register Type Safety: Invalid dereference: "
        "R1 is an integer scalar here, not a pointer to memory" in str(caught.value)
    )
    assert paragraphs == caught.value.log


def test_a_verifier_error_names_program_and_reason(said):
    """One line says which program, and the line before the totals."""
    said[0] = BEGIN + LOG + END

    with pytest.raises(VerifierError) as caught:
        _check.check(-13, "load it")

    assert "cannot load it: the verifier said of p: R1 invalid mem access" == caught.value.message
    assert LOG == caught.value.log


def test_an_error_of_the_kernel_keeps_errno_and_the_last_warnings(said):
    """What libbpf said last goes with the error."""
    said[0] = "\n".join(f"line {n}" for n in range(20))

    with pytest.raises(KernelError) as caught:
        _check.check(-12, "do it")

    assert 12 == caught.value.errno
    assert [f"line {n}" for n in range(12, 20)] == caught.value.__notes__


def test_an_error_of_libbpf_has_its_text(said):
    """Codes from 4000 up are no errno and are explained by libbpf."""
    with pytest.raises(KernelError) as caught:
        _check.check(-4001, "do it")

    assert 0 == caught.value.errno
    assert "cannot do it: BPF object format invalid" == str(caught.value)


@pytest.mark.parametrize("code", [0, 7])
def test_success_is_passed_on(code):
    """A result that is not an error is the result."""
    assert code == _check.check(code, "do it")


def test_the_loaded_libbpf_is_new_enough():
    """The extension runs with the libbpf that it was built for, or a later one."""
    assert calls.libbpf_version() >= (1, 3)


def test_scalars_of_a_short_structure_are_refused():
    """Bytes that end too early are never read past."""
    with pytest.raises(EnforcerBug, match="enf_image"):
        abi.scalars("enf_image", bytes(10))
