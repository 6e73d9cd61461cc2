# SPDX-License-Identifier: MIT
"""Messages of the client by which tests run pods."""

import cri


def test_messages_are_written_as_protocol_buffers_are():
    """Numbers, texts, messages in messages, and repeated fields; those that the format's own description has."""
    assert b"\x08\x96\x01" == cri.encoded({1: 150})
    assert b"\x12\x07testing" == cri.encoded({2: "testing"})
    assert b"\x1a\x03\x08\x96\x01" == cri.encoded({3: {1: 150}})
    assert b"\x0a\x01a\x0a\x01b" == cri.encoded({1: ["a", "b"]})
    assert b"\x7a\x02\x12\x00" == cri.encoded({15: {2: {}}})


def test_answers_are_read():
    """The last of each number, and what has a fixed size is passed over."""
    message = cri.encoded({1: b"out", 3: 126, 15: "x" * 300})

    assert {1: b"out", 3: b"126", 15: b"x" * 300} == dict(cri.decoded(message))
    assert {1: b"\0" * 8, 2: b"y"} == dict(cri.decoded(b"\x09" + b"\0" * 8 + b"\x12\x01y"))
