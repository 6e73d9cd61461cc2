# SPDX-License-Identifier: MIT
"""Records of every kind there is, made up: the same ones for the same seed."""

from __future__ import annotations

import errno
import random
from typing import TYPE_CHECKING

import header
from fakes import WALL_NS, enricher, event, match

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import EventFlag, GuardAct, Lost, Origin, Record, RowFlag
from enforcer.identity.actor import Actor
from enforcer.identity.container import Container
from enforcer.identity.lineage import Ancestry
from enforcer.identity.naming import process_id
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.rules import SEVERITIES
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NAMES = (
    b"/usr/bin/bash",
    b"/srv/vault/secret",
    "/srv/ünïcode/文件".encode(),
    b"/tmp/\xff\xfe\x00".rstrip(b"\0"),
    b"/tmp/new\nline\t\x1b[31m",
    b'/tmp/"quoted" \\ <164>1',
    b"/" + b"deep/" * 200 + b"end",
    b"",
)
_WORDS = (b"sh", b"-c", b"curl --token abc | sh", b"--password=hunter2", b"\xf0\x9f\x92\xa9", b"")
_SIGNALS = (1, 9, 15, 34, 64)
_ERRNOS = (errno.EPERM, errno.EACCES, errno.ENOENT, 4000)
_MESSAGES = (None, "{process} ran {args} on {path}", "näh\n{binary}", "")
POD = "01234567-89ab-cdef-0123-456789abcdef"
_CONTAINERS = (None, Container("docker", "f" * 64), Container("cri-o", "0" * 64, POD))
_U32, _U64 = (1 << 32) - 1, (1 << 64) - 1


def records(number: int, seed: int = 7) -> Iterator[Record | Lost]:
    """Make *number* records."""
    dice = random.Random(seed)
    ops = [*OPERATIONS, Op.ATTEMPT]
    for n in range(number):
        if n % 97 == 96:
            yield Lost(
                time_ns=WALL_NS + n,
                decisions=dice.randrange(5),
                activity=dice.randrange(_U32),
                malformed=dice.randrange(2),
                reason=dice.choice((None, "7 bytes, less than a head\n")),
            )
        else:
            yield _match(dice, ops[n % len(ops)])


_TRIED = (Op.EXEC, Op.READ, Op.MKDIR, Op.CONNECT, Op.SIGNAL, Op.MOUNT, Op.MODULE)
_POINTED = (
    ("arg0.f_flags", 0, "unsigned"),
    ("returns", 1, "signed"),
    ("arg1.name", 0, "text"),
    ("x", 3, "text"),
)


def _match(dice: random.Random, op: Op | GuardAct) -> Record:
    origin = Origin(
        dice.choice(("web", "vault", "a.b-c_d")),
        dice.choice(("rule-1", "no writes", "default")),
        f"{dice.choice(('web', '/etc/enforcer/policies/ö'))}.yaml:{dice.randrange(99)}:3",
        message=dice.choice(_MESSAGES),
        severity=dice.choice(SEVERITIES),
        tags=tuple(dice.sample(("mitre/T1059", "pci", "lab:1"), dice.randrange(3))),
        syscall=dice.choice((None, None, "openat2")),
        asked=("web/online", "vault/seen"),
        point=dice.choice(("lsm file_open", "kprobe vfs_write")) if op is Op.POINT else None,
        operands=_POINTED if op is Op.POINT else (),
    )
    happened = event(
        **_operands(dice, op), **_outcome(dice, op), **_matches(dice, op), **_subject(dice)
    )
    return enricher(origin, identity=_identity(dice)).enrich(happened)


def _matches(dice: random.Random, op: Op | GuardAct) -> dict[str, Any]:
    if isinstance(op, GuardAct) or dice.random() < 0.7:
        return {}
    verbs = (Verb.ALLOW, Verb.LOG, Verb.DENY, Verb.KILL)
    number = dice.choice((2, 3, 8, 11))
    told = [
        match(row, op, dice.choice(verbs), is_enforced=dice.random() < 0.5)
        for row in range(min(number, 8))
    ]
    return {"n_matches": number} | {f"match[{i}]": one for i, one in enumerate(told)}


def _outcome(dice: random.Random, op: Op | GuardAct) -> dict[str, Any]:
    action = Verb.DENY if isinstance(op, GuardAct) else dice.choice(list(Verb))
    return {
        "kind": header.constant(
            "ENF_EVENT_GUARD" if isinstance(op, GuardAct) else "ENF_EVENT_VERDICT"
        ),
        "op": op.value,
        "action": action,
        "flags": dice.randrange(1 + sum(EventFlag)),
        "row_flags": dice.randrange(2 * max(RowFlag)),
        "suppressed": dice.choice((0, 0, 7)),
        "mark_at[0]": dice.choice((0, 1 << 20)),
        "mark_at[1]": dice.choice((0, _U64)),
        "signal": dice.choice(_SIGNALS),
        "error": dice.choice(_ERRNOS),
        "time_ns": dice.randrange(1 << 50),
        "repeats": dice.choice((0, 0, 1, 41_233)),
        "last_ns": dice.randrange(1 << 50),
        "generation": 0,
        "row": 0,
    }


def _operands(dice: random.Random, op: Op | GuardAct) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "dev": dice.randrange(_U32),
        "ino": dice.choice((0, dice.randrange(_U64))),
        "addr_hi": dice.choice((0, 0x20010DB8 << 32)),
        "addr_lo": dice.choice((0xFFFF_0A00_0001, 1, _U64)),
        "port": dice.randrange(1 << 16),
        "family": dice.choice((1, 2, 10, 16, 99)),
        "type": dice.choice((1, 2, 3, 77)),
        "protocol": dice.choice((0, 6, 17, 253)),
        "mode": dice.randrange(0o10000),
        "bits": dice.choice((0, 2, _U32)),
        "code": dice.randrange(500),
        "to_uid": dice.choice((0, 1000, _U32)),
        "to_gid": dice.choice((0, _U32)),
        "unknown": dice.choice((0, 0, 1, 0x3F)),
        "present": dice.choice((0, 1 << Dim.DRIFT)),
        "drift": dice.choice((0, 1, 6)),
        "obj_flags": dice.randrange(0x800) | dice.choice((0, 0, 1 << 30 | 5 << 16)),
        "path": dice.choice(_NAMES),
        "fstype": dice.choice((b"", b"tmpfs")),
    }
    if op in OPERATIONS and OPERATIONS[op].event == "exec" and dice.random() < 0.7:
        args = tuple(dice.choice(_WORDS) for _ in range(dice.randrange(1, 6)))
        shown |= {"name": b"".join(a + b"\0" for a in args), "argc": len(args)}
    elif op is Op.ATTEMPT:
        bits = sum({1 << tried for tried in dice.choices(_TRIED, k=2)})
        shown |= {"bits": bits, "arg[0]": dice.choice((1, 13, 4095))}
        shown["name"] = dice.choice((b"", b"../a", b"\xff"))
    elif op is Op.POINT:
        shown |= {"name": dice.choice((b"", b"/a\0c\xff\0")), "argc": dice.choice((0, 2))}
        shown |= {f"arg[{i}]": dice.choice((0, 1, _U64)) for i in range(6)}
    elif op is Op.SYSCALL:
        shown |= {"name": b"/a\0\0b\0\0\0c\0", "argc": 6}
        shown |= {f"arg[{i}]": dice.choice((0, 1, _U64)) for i in range(6)}
    elif dice.random() < 0.3:
        shown["name"] = dice.choice((b"abstract", b"user.\xff", b"/dev/sda1"))
    return shown


def _subject(dice: random.Random) -> dict[str, Any]:
    pid = dice.randrange(1, 1 << 22)
    return {
        "cgroup": dice.randrange(_U64),
        "start_ns": dice.randrange(1 << 50),
        "exec_ns": dice.choice((0, dice.randrange(1 << 50))),
        "parent_start_ns": dice.randrange(1 << 50),
        "caps": dice.randrange(1 << 41),
        "pid": pid,
        "tid": pid + dice.randrange(3),
        "ppid": dice.randrange(1 << 22),
        "uid": dice.choice((0, 1000, _U32)),
        "euid": dice.choice((0, 1000)),
        "gid": dice.choice((0, _U32)),
        "egid": dice.choice((0, 100)),
        "comm": dice.choice((b"sh", b"k\xffw", b'a"b=c', b"")),
        "parent_comm": dice.choice((b"systemd", b"sshd")),
        "exe": dice.choice(_NAMES),
        "subj_flags": dice.choice((0, 0, 0x1001, 2 << 30 | 3 << 20)),
    }


def _identity(dice: random.Random) -> Identity:
    def facts() -> ProcessFacts:
        if dice.random() < 0.3:
            return ProcessFacts()
        words = tuple(dice.choice(_WORDS) for _ in range(dice.randrange(1, 4)))
        return ProcessFacts(dice.choice(_NAMES) or None, words)

    def ancestor(depth: int) -> Actor:
        seen = facts()
        return Actor(
            id=process_id(1 + depth, dice.randrange(1 << 40)),
            pid=1 + depth,
            name=readable(dice.choice((b"sh", b"a\xff)b", b""))),
            exe=readable(seen.exe) if seen.exe is not None else None,
            cmdline=tuple(map(readable, seen.cmdline)) if seen.cmdline is not None else None,
        )

    above = tuple(ancestor(depth) for depth in range(dice.randrange(5)))
    return Identity(
        process=facts(),
        ancestry=Ancestry(above, dice.random() < 0.5),
        cgroup=dice.choice((None, "/", "/system.slice/ssh.service")),
        container=dice.choice(_CONTAINERS),
        user=dice.choice((None, "root", "näme")),
        cwd=dice.choice((None, *_NAMES)) or None,
    )
