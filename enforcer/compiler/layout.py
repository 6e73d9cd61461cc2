# SPDX-License-Identifier: MIT
"""The structures of the image, as the compiler packs them and its check unpacks them."""

from __future__ import annotations

from typing import Final

from enforcer import _abi
from enforcer.structure import Layout

__all__ = [
    "DFA",
    "HEAD",
    "INTERVAL",
    "LABEL",
    "LABEL_WORDS",
    "LIMIT",
    "NUM_DIMS",
    "OPERAND",
    "POINT",
    "POINT_OPERANDS",
    "POINT_STEPS",
    "RANGE",
    "ROW",
    "SLOT",
    "STRUCTS",
    "SUBJECT",
    "SUBJECT_TERM",
    "SUBJECT_TERMS",
    "SYS",
    "TERM",
    "Layout",
]

NUM_DIMS: Final = _abi.ENF_NUM_DIMS
LABEL_WORDS: Final = _abi.ENF_LABEL_WORDS
SUBJECT_TERMS: Final = _abi.ENF_SUBJECT_TERMS
POINT_OPERANDS: Final = _abi.ENF_POINT_OPERANDS
POINT_STEPS: Final = _abi.ENF_POINT_STEPS

RANGE: Final = Layout.of("enf_range")
SLOT: Final = Layout.of("enf_slot")
DFA: Final = Layout.of("enf_dfa")
INTERVAL: Final = Layout.of("enf_interval")
TERM: Final = Layout.of("enf_term")
LABEL: Final = Layout.of("enf_label")
SUBJECT_TERM: Final = Layout.of("enf_subject_term")
SUBJECT: Final = Layout.of("enf_subject")
ROW: Final = Layout.of("enf_row")
LIMIT: Final = Layout.of("enf_limit")
SYS: Final = Layout.of("enf_sys")
OPERAND: Final = Layout.of("enf_operand")
POINT: Final = Layout.of("enf_point")
HEAD: Final = Layout.of("enf_image")

STRUCTS: Final = (
    *(RANGE, SLOT, DFA, INTERVAL, TERM, LABEL, SUBJECT_TERM, SUBJECT, ROW, LIMIT),
    *(SYS, OPERAND, POINT, HEAD),
)
