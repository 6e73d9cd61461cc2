# SPDX-License-Identifier: MIT
"""
The three builds of the decision behind one call: reference, native, in the kernel.
"""

from __future__ import annotations

import struct
from importlib import resources
from typing import Any, Protocol

import attrs
from reference.semantics import (
    ALSO_ROOM,
    ROOM,
    UNKNOWN,
    Access,
    Actor,
    Choice,
    Decision,
    Identity,
    Outcome,
    Unknown,
    decide,
)

from enforcer.compiler import CompiledImage, verify
from enforcer.errors import KernelError
from enforcer.events.types import MatchBits
from enforcer.libbpf import calls
from enforcer.libbpf._ffi import ffi, lib
from enforcer.libbpf.handles import BpfObject
from enforcer.policy.language.vocabulary import Dim, SubjectFlag
from enforcer.policy.model.policy import PolicySet, Verb

IMAGE_ROOM = 1 << 20
NONE = 0xFFFFFFFF
GENERATION = 7
BORN = 1_000_000_000


class Run(Protocol):
    """A build of the decision core: decides ``struct enf_test_input`` in place."""

    def __call__(self, image: bytes, given: Any) -> None: ...


def run_native(image: bytes, given: Any) -> None:
    path = bytes(ffi.buffer(given.path, given.object.path_len))
    code = lib.enf_native_decide(image, len(image), given)
    assert code == 0, f"the native build returned {code}"
    assert path == bytes(ffi.buffer(given.path, given.object.path_len))


@attrs.define(eq=False)
class KernelBuild:
    """The core as loaded into the running kernel."""

    _object: BpfObject
    _inner: int
    _room: int
    _loaded: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def load(cls, room: int = IMAGE_ROOM) -> KernelBuild:
        """
        Load it, for images of *room* bytes at most.

        Raises:
            KernelError: this kernel, or our privileges, do not allow it.
        """
        path = resources.files("enforcer.libbpf") / "objects" / "decide_test.bpf.o"
        found = BpfObject.open(path.read_bytes(), "decide_test")
        found.set_constant("enf_image_bytes", room)
        inner = calls.create_array("image", room)
        found.maps["images"].set_inner(inner)
        found.load()
        calls.update(found.maps["images"].fd, 0, inner.to_bytes(4, "little"))
        return cls(found, inner, room)

    def __call__(self, image: bytes, given: Any) -> None:
        if image is not self._loaded:
            assert len(image) <= self._room
            calls.update(self._inner, 0, image.ljust(self._room, b"\0"))
            self._loaded = image
        size = ffi.sizeof(given[0])
        code, after = calls.run(
            self._object.programs["enf_decide_test"].fd, bytes(ffi.buffer(given, size))
        )
        assert code == 0, f"the in-kernel build returned {code}"
        ffi.memmove(given, after, size)

    def time(self, times: int) -> int:
        """Decide *times* times what was given last; return the nanoseconds that took."""
        code, after = calls.run(
            self._object.programs["enf_decide_time"].fd, struct.pack("=QQ", times, 0)
        )
        assert code == 0, f"the in-kernel build returned {code}"
        return int(struct.unpack("=QQ", after)[1])


def kernel_build() -> KernelBuild | str:
    """Load the in-kernel build, or say why this host does not take it."""
    try:
        return KernelBuild.load()
    except (KernelError, FileNotFoundError) as error:
        return str(error)


# ---- Operands ---------------------------------------------------------------------------------


def actor_input(run: Run, image: bytes, actor: Actor) -> Any:
    """Live through the history of *actor* as the programs would: label, fork, exec."""
    task = ffi.new("struct enf_task *")
    given = ffi.new("struct enf_test_input *")

    def evaluate() -> None:
        """Bring the sets of *task* up to date with *run*."""
        given.task = task[0]
        given.reval = 1
        run(image, given)
        task[0] = given.task

    def become(who: Identity) -> None:
        identify(task, who)
        given.cgroup_len = put(given.cgroup, b"" if who.cgroup is UNKNOWN else who.cgroup)
        evaluate()

    def child_of(parent: Any) -> None:
        child = ffi.new("struct enf_task *")
        assert lib.enf_native_fork(image, len(image), child, parent, 0) == 0
        task[0] = child[0]

    if actor.lineage_unknown:
        task.flags = SubjectFlag.LINEAGE_UNKNOWN
    for ancestor in actor.ancestors:
        become(ancestor)
        assert lib.enf_native_exec(image, len(image), task, 0, 1) == 0
    if actor.parent is not None:
        become(actor.parent)
        # The parent is an ancestor too: Actor.fork says so, and tests build actors by it.
        child_of(task)
    become(actor.now)
    return given


def identify(task: Any, who: Identity) -> None:
    kept = task.flags & SubjectFlag.LINEAGE_UNKNOWN
    task.flags = kept | who.flags
    task.exe_len = 0
    if who.exe is UNKNOWN:
        task.flags |= SubjectFlag.EXE_UNKNOWN
    elif who.exe is not None:
        ffi.memmove(task.exe, who.exe, len(who.exe))
        task.exe_len = len(who.exe)
    task.uid, task.euid, task.gid, task.egid = who.uid, who.euid, who.gid, who.egid
    task.caps = who.caps


def put(room: Any, text: bytes) -> int:
    ffi.memmove(room, text, len(text))
    return len(text)


def fill(given: Any, access: Access) -> None:
    """Write the operands of *access* into *given*."""
    o = given.object
    ffi.memmove(ffi.addressof(o), bytes(ffi.sizeof(o)), ffi.sizeof(o))
    o.n_ops = len(access.ops)
    for i, op in enumerate(access.ops):
        o.op[i] = op
    o.flags = access.flags
    for dim, value in access.operands.items():
        o.present |= 1 << dim
        if isinstance(value, Unknown):
            o.unknown |= 1 << dim
        elif isinstance(value, Choice):
            o.unknown |= 1 << dim
            o.port_low, o.port_high = value.low, value.high
        elif dim == Dim.PATH:
            o.path_len = put(given.path, value)
        elif dim == Dim.NAME:
            o.name_len = put(given.name, value)
        elif dim == Dim.FSTYPE:
            o.fstype_len = put(given.fstype, value)
        elif dim == Dim.ADDR:
            o.addr_hi, o.addr_lo = value >> 64, value & (1 << 64) - 1
        elif dim == Dim.INODE:
            o.dev, o.ino = value >> 64, value & (1 << 64) - 1
        else:
            o.num[dim - Dim.ADDR] = value
    if access.argc is not None:
        fill_args(given, access.args, access.argc)


def fill_args(given: Any, args: tuple[bytes, ...], argc: int) -> None:
    """As ``enf_describe_argv`` in argv.bpf.c."""
    o = given.object
    o.argv_len = put(given.argv, b"".join(arg + b"\0" for arg in args))
    o.argc = len(args)
    o.present |= 1 << Dim.ARG_ANY
    if len(args) < argc:
        o.unknown |= 1 << Dim.ARG_ANY
    for i in range(16):
        if i < argc:
            o.present |= 1 << (Dim.ARG0 + i)
        if len(args) <= i < argc:
            o.unknown |= 1 << (Dim.ARG0 + i)


# ---- Answers ----------------------------------------------------------------------------------


def decision(compiled: CompiledImage, row: int, action: int, flags: int, error: int) -> Decision:
    if row == NONE:
        assert action == 0
        return Decision()
    info = compiled.rows[row]
    return Decision(
        Verb(action), info.policy, info.rule_index, info.kind.value, error, bool(flags & 1)
    )


def outcome(compiled: CompiledImage, given: Any) -> Outcome:
    v = given.verdict
    marked = {split(key) for key, (n, _) in compiled.labels.marks.items() if v.marks >> n & 1}
    audited = decision(compiled, v.audit_row, v.audit_action, v.audit_flags, 0)
    enforced = decision(compiled, v.row, v.action, v.flags, v.error)
    matches = given.matches
    return Outcome(
        enforced, audited, frozenset(marked), said(compiled, matches), also(compiled, matches)
    )


def said(compiled: CompiledImage, matches: Any) -> frozenset[Decision] | int:
    """What each policy says, as the number that a record has of it."""
    if matches.n > ROOM:
        return int(matches.n)
    found = frozenset(_match(compiled, matches.at[i]) for i in range(matches.n))
    assert len(found) == matches.n
    return found


def also(compiled: CompiledImage, matches: Any) -> frozenset[tuple[Decision, int]] | None:
    """What else policies say that a record is made of, by operation. None: it found no room."""
    if matches.n_also > ALSO_ROOM:
        assert matches.wanted
        return None
    each = [matches.also[i] for i in range(matches.n_also)]
    found = {(_match(compiled, match), match >> MatchBits.OP_AT & 63) for match in each}
    assert len(found) == len(each)
    return frozenset(found)


def _match(compiled: CompiledImage, told: int) -> Decision:
    row = told & MatchBits.ROW
    info = compiled.rows[row]
    kind = info.kind.value
    assert (kind == "default") == bool(told & MatchBits.DEFAULT)
    assert (kind == "guard") == bool(told & MatchBits.GUARD)
    return Decision(
        Verb(told >> MatchBits.ACTION_AT & 7),
        info.policy,
        info.rule_index,
        kind,
        0,
        bool(told & MatchBits.ON_ERROR),
    )


def split(key: str) -> tuple[str, str]:
    """Part a mark's key, without its scope: that says where it is kept, which is not the core's."""
    policy, _, name = key.partition("@")[0].partition("/")
    return policy, name


def fill_marks(given: Any, compiled: CompiledImage, access: Access) -> None:
    given.now = access.now
    for key, (number, _) in compiled.labels.marks.items():
        given.marks.at[number] = access.marks.get(split(key), 0)


def decide_by(run: Run, compiled: CompiledImage, actor: Actor, access: Access) -> Outcome:
    """Decide with one build of the core."""
    return decide_access(run, compiled, actor_input(run, compiled.image, actor), access)


def decide_access(run: Run, compiled: CompiledImage, given: Any, access: Access) -> Outcome:
    """Decide for an actor that :func:`actor_input` has brought to life."""
    fill(given, access)
    fill_marks(given, compiled, access)
    given.reval = 0
    run(compiled.image, given)
    return outcome(compiled, given)


def decide_by_reference(policies: PolicySet, actor: Actor, access: Access) -> Outcome:
    found = decide(policies, actor, access)
    # A verdict of auditing policies carries no errno.
    return attrs.evolve(found, audited=attrs.evolve(found.audited, errno=0))


def decide_by_all(
    builds: dict[str, Run],
    policies: PolicySet,
    compiled: CompiledImage,
    actor: Actor,
    access: Access,
) -> Outcome:
    """Return what the reference says, and every build, too."""
    found = decide_by_reference(policies, actor, access)
    for name, run in builds.items():
        assert found == decide_by(run, compiled, actor, access), name
    return found


def checked(compiled: CompiledImage) -> CompiledImage:
    verify(compiled.image)
    return compiled
