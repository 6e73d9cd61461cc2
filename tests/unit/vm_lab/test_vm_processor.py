# SPDX-License-Identifier: MIT
"""The model of the guest's processor."""

import pytest
from lab.processor import model
from lab.tools import LabError


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("erms fsrm fzrm fsrs fsrc", "max,erms=off,fsrm=off,fzrm=off,fsrs=off,fsrc=off"),
        ("erms\n  fsrm sse4.1", "max,erms=off,fsrm=off"),
        ("ermsx", "max"),
        ("pku la57 smap smep fsrm", "max,fsrm=off,la57=off,smap=off,pku=off"),
    ],
)
def test_only_flags_that_qemu_knows_are_turned_off(flags: str, expected: str) -> None:
    """A flag that QEMU has never heard of would keep it from starting."""
    assert expected == model(f"Available CPUs:\n  max erms\n\nRecognized CPUID flags:\n  {flags}\n")


def test_what_real_processors_execute_is_counted() -> None:
    """Without these, the kernel leaves instructions out."""
    listed = "Recognized CPUID flags:\n  erms smap la57 pku\n"

    assert "max,erms=off" == model(listed, is_counted=True)


def test_an_answer_without_flags_is_an_error() -> None:
    """Silence must not look like a QEMU that knows none of them: machines would be slow for ever."""
    with pytest.raises(LabError, match="--cpu"):
        model("")
