# SPDX-License-Identifier: MIT
"""
Record what the system does, so that policies can be tried on it later.

The journal gets every operation (programs, files, sockets and so on) with all that a decision needs.
Recording ends with Ctrl-C or after --for. Nothing is refused. The journal holds the arguments of
programs, so only its owner may read it. `enforcer dry-run --replay` reads it.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from typing import TYPE_CHECKING

from enforcer.amounts import plural, size, span
from enforcer.cli.arguments import duration, file_path, require_root
from enforcer.cli.exits import Exit, complain
from enforcer.cli.formats import JSON, add_output, print_document

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.cli.document_types import RecordingDocument
    from enforcer.policy.language.syscall_table import Syscall
    from enforcer.policy.language.vocabulary import Op
    from enforcer.workbench.replay.recorder import Recorded

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer record --for 10m monday.journal
  enforcer record --events exec,network --max-size 64M short.journal
  enforcer dry-run --replay monday.journal my-policy.yaml
"""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LEAST, _MOST_BUFFER = 1 << 20, 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("journal", metavar="JOURNAL", type=file_path, help="journal file to create")
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="end after this time: 60s, 5m, 1h",
    )
    parser.add_argument(
        "--events",
        metavar="LIST",
        type=_events,
        help="record only these: exec,file,network,mount,process,memory,kernel (default: all)",
    )
    parser.add_argument(
        "--descriptors",
        action="store_true",
        help=(
            "also record every read and write of an open file, for rules with strict: true (costly)"
        ),
    )
    parser.add_argument(
        "--syscalls",
        metavar="LIST",
        type=_calls,
        default=(),
        help=(
            "also record these system calls at their entry, for rules on syscall: "
            "keyctl,personality"
        ),
    )
    _add_sizes(parser)
    add_output(parser)


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    """Add how much room there is, in the journal and in the kernel."""
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=_size,
        default=1 << 30,
        help="end when the journal has this size: 64M, 2G (default: 1G)",
    )
    parser.add_argument(
        "--buffer",
        metavar="SIZE",
        type=_buffer,
        default=1 << 25,
        help="kernel memory for records on their way to the journal, up to 1G: the next power of two (default: 32M)",
    )


def _events(text: str) -> tuple[str, ...]:
    from enforcer.compiler.recording import RECORDED
    from enforcer.policy.text.problems import suggest

    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in RECORDED:
            hint = suggest(name, RECORDED) or f": write {', '.join(RECORDED)}"
            raise argparse.ArgumentTypeError(f"{name!r} is not an event{hint}")
    return names


def _calls(text: str) -> tuple[Syscall, ...]:
    from enforcer.policy.language.syscall_table import SYSCALLS
    from enforcer.policy.text.problems import suggest

    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in SYSCALLS:
            hint = suggest(name, SYSCALLS)
            raise argparse.ArgumentTypeError(f"{name!r} is not a system call of x86-64{hint}")
    return tuple(SYSCALLS[name] for name in names)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if found is None or int(found[1]) * _UNITS[found[2]] < _LEAST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size of 1M or more: write 64M or 2G")
    return int(found[1]) * _UNITS[found[2]]


def _buffer(text: str) -> int:
    if (size := _size(text)) > _MOST_BUFFER:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 1G, which a ring buffer may have")
    return 1 << (size - 1).bit_length()  # as the kernel takes them


def run(args: argparse.Namespace) -> int:
    """Record."""
    from enforcer.compiler.recording import RECORDED, recording_image
    from enforcer.identity.workloads import Workloads
    from enforcer.kernel.image_map import PlainImage
    from enforcer.kernel.session import Session
    from enforcer.policy.language.vocabulary import Op
    from enforcer.workbench.replay.journal import BlockKind, Writer
    from enforcer.workbench.replay.recorder import Recorder, head_of, people

    require_root("recording")
    ops: set[Op] = set().union(*(RECORDED[name] for name in args.events or RECORDED))
    if args.descriptors:
        ops |= {Op.FD_READ, Op.FD_WRITE}
    activity = args.buffer
    with contextlib.closing(Writer.create(args.journal)) as writer:
        head = head_of(ops, args.syscalls)
        try:
            session = Session.open(
                PlainImage(recording_image(ops, args.syscalls)),
                records=True,
                rings=(activity >> 2, activity),
            )
        except BaseException:
            args.journal.unlink()  # nothing is in it, and it would be in the way
            raise
        with session:
            writer.document(BlockKind.HEAD, head)
            for document in people():
                writer.document(BlockKind.PEOPLE, document)
            recorder = Recorder(session, writer, args.max_size, Workloads())
            until = f"for {args.seconds:g} s" if args.seconds is not None else "until Ctrl-C"
            line = f"recording {until} to {args.journal}; nothing is refused"
            done = recorder.run(args.seconds, ready=lambda: complain(line))
    if args.form == JSON:
        print_document(_document(args.journal, done))
    else:
        _tell(done)
    return Exit.OK


def _document(journal: Path, done: Recorded) -> RecordingDocument:
    return {
        "version": 1,
        "journal": str(journal),
        "operations": done.accesses,
        "seconds": round(done.seconds, 1),
        "bytes": done.size,
        "reason": done.reason,
        "lostOperations": done.lost_accesses,
        "lostStarts": done.lost_lines,
    }


def _tell(done: Recorded) -> None:
    print(
        f"{plural(done.accesses, 'record')} of operations in {span(done.seconds)}, {size(done.size)}; "
        f"ended because {done.reason}"
    )
    if done.lost_accesses or done.lost_lines:
        print(
            f"{plural(done.lost_accesses, 'operation')} and {plural(done.lost_lines, 'start')} of "
            "processes were lost: use a larger --buffer or fewer --events"
        )
