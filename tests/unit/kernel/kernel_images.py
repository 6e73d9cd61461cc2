# SPDX-License-Identifier: MIT
"""Images made by hand: one rule for everybody on one operation, so that no compiler is needed."""

import attrs
import header

from enforcer.kernel.image_map import checksum
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import ffi, lib


@attrs.frozen
class HandMadeImage:
    data: bytes


def sealed(data: bytes) -> bytes:
    """Return *data* with its size and checksum filled in."""
    held = bytearray(data)
    head = ffi.from_buffer("struct enf_image *", held)
    head.size = len(held)
    head.crc = checksum(bytes(held))
    return bytes(held)


def image_for_everybody(op: str, action: int, *, error: int = 1, signal: int = 0, generation=1):
    """Return an image with one row: *action* for everyone on *op*, whatever the object."""
    bit = 1 << abi.OPS[op]
    head = ffi.new(
        "struct enf_image *",
        {
            "magic": lib.ENF_IMAGE_MAGIC,
            "version": lib.ENF_IMAGE_VERSION,
            "generation": generation,
            "seed": 1,
            "ops": bit,
            "everybody_ops": bit,
            "n_policies": 1,
            "n_rows": 1,
            "n_subjects": 1,
            "n_row_list": 1,
        },
    )
    row = ffi.new(
        "struct enf_row *",
        {"ops": bit, "action": action, "error": error, "signal": signal, "on_error": 1},
    )
    subject = ffi.new("struct enf_subject *", {"ops": bit})
    op_rows = ffi.new(f"struct enf_range[{len(abi.OPS)}]")
    op_rows[abi.OPS[op]].count = 1
    parts = {
        "off_rows": bytes(ffi.buffer(row)),
        "off_subjects": bytes(ffi.buffer(subject)),
        "off_op_rows": bytes(ffi.buffer(op_rows)),
        "off_row_list": bytes(8),
    }
    at, body = ffi.sizeof("struct enf_image"), b""
    for field, part in parts.items():
        setattr(head, field, at + len(body))
        body += part.ljust(-(-len(part) // 8) * 8, b"\0")
    # Tables that this image has not are empty, somewhere inside.
    for field in header.structure("enf_image")[1]:
        if field.startswith("off_") and field not in parts:
            setattr(head, field, at)
    return HandMadeImage(sealed(bytes(ffi.buffer(head)) + body))
