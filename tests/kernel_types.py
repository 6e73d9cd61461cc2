# SPDX-License-Identifier: MIT
"""A kernel as small as tests need it: its BTF, written by hand, and the format of a tracepoint."""

from __future__ import annotations

import struct
from pathlib import Path

from enforcer.policy.kernel_types.btf import Btf
from enforcer.policy.kernel_types.signatures import KernelTypes

_FORMAT = """\
name: sched_process_exec
ID: 310
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;
\tfield:const char * name;\toffset:32;\tsize:8;\tsigned:0;
\tfield:struct file * file;\toffset:40;\tsize:8;\tsigned:0;

print fmt: "filename=%s"
"""


class Writer:
    """Types one behind the other; each method returns the number of its type."""

    def __init__(self, base: Writer | None = None) -> None:
        self.base = base
        self.text_at = 0 if base is None else base.text_at + len(base.text)
        self.text = b"\0" if base is None else b""
        self.types = b""
        self.count = 0 if base is None else base.count

    def name(self, name: str) -> int:
        if not name:
            return 0
        if self.base is not None and b"\0" + name.encode() + b"\0" in self.base.text:
            return self.base.name(name)
        at = (b"\0" + self.text).find(b"\0" + name.encode() + b"\0")
        if at < 0:
            at = len(self.text)
            self.text += name.encode() + b"\0"
        return self.text_at + at

    def add(
        self, name: str, kind: int, size: int, *, more: bytes = b"", count: int = 0, flag=False
    ) -> int:
        self.types += struct.pack("<III", self.name(name), flag << 31 | kind << 24 | count, size)
        self.types += more
        self.count += 1
        return self.count

    def integer(self, name: str, size: int, *, signed: bool = False) -> int:
        return self.add(name, 1, size, more=struct.pack("<I", signed << 24 | size * 8))

    def pointer(self, to: int) -> int:
        return self.add("", 2, to)

    def array(self, of: int, count: int) -> int:
        return self.add("", 3, 0, more=struct.pack("<III", of, 0, count))

    def structure(self, name: str, size: int, *members: tuple[str, int, int], union=False) -> int:
        """Members are name, type and offset in bytes."""
        more = b"".join(struct.pack("<III", self.name(n), t, 8 * at) for n, t, at in members)
        return self.add(name, 5 if union else 4, size, more=more, count=len(members))

    def bit_fields(self, name: str, size: int, *members: tuple[str, int, int, int]) -> int:
        """Members are name, type, offset and size in bits."""
        more = b"".join(
            struct.pack("<III", self.name(n), t, w << 24 | at) for n, t, at, w in members
        )
        return self.add(name, 4, size, more=more, count=len(members), flag=True)

    def typedef(self, name: str, of: int) -> int:
        return self.add(name, 8, of)

    def const(self, of: int) -> int:
        return self.add("", 10, of)

    def function(self, name: str, returns: int, *parameters: tuple[str, int]) -> int:
        more = b"".join(struct.pack("<II", self.name(n), t) for n, t in parameters)
        proto = self.add("", 13, returns, more=more, count=len(parameters))
        return self.add(name, 12, proto)

    def tracepoint(self, name: str, *parameters: tuple[str, int]) -> int:
        more = struct.pack("<II", self.name("__data"), 0)
        more += b"".join(struct.pack("<II", self.name(n), t) for n, t in parameters)
        proto = self.add("", 13, 0, more=more, count=1 + len(parameters))
        return self.typedef(f"btf_trace_{name}", self.pointer(proto))

    def done(self) -> bytes:
        sizes = (0, len(self.types), len(self.types), len(self.text))
        return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, *sizes) + self.types + self.text


def small_btf() -> tuple[bytes, bytes]:
    """A handful of functions and hooks, laid out as no kernel is; and what a module adds to it."""
    w = Writer()
    char, int_ = w.integer("char", 1, signed=True), w.integer("int", 4, signed=True)
    u16, u32 = w.integer("unsigned short", 2), w.integer("unsigned int", 4)
    ulong, bool_ = w.integer("unsigned long", 8), w.integer("_Bool", 1)
    be16 = w.typedef("__be16", u16)
    kuid = w.typedef("kuid_t", w.structure("", 4, ("val", u32, 0)))
    text = w.pointer(w.const(char))
    nameless = w.structure("", 8, ("i_size", ulong, 0), union=True)
    inode = w.structure("inode", 64, ("i_uid", kuid, 4), ("i_ino", ulong, 40), ("", nameless, 48))
    qstr = w.structure("qstr", 16, ("name", text, 8))
    dentry = w.structure("dentry", 64, ("d_name", qstr, 16))
    path = w.structure("path", 16, ("mnt", w.pointer(0), 0), ("dentry", w.pointer(dentry), 8))
    file = w.structure(
        "file", 128, ("f_inode", w.pointer(inode), 32), ("f_path", path, 64), ("f_flags", u32, 8)
    )
    cred = w.structure("cred", 64, ("uid", kuid, 8), ("euid", kuid, 24))
    flags = w.bit_fields(
        "flags",
        16,
        ("three", u32, 2, 3),
        ("less", int_, 61, 3),
        ("over", u16, 76, 7),
        ("wide", ulong, 68, 63),
        ("plain", u32, 96, 0),
    )
    caps = w.array(u32, 2)
    task = w.structure(
        "task_struct",
        256,
        ("tgid", int_, 16),
        ("comm", w.array(char, 16), 32),
        ("cred", w.pointer(cred), 64),
        ("flags", flags, 72),
        ("caps", caps, 88),
    )
    filename = w.structure("filename", 32, ("name", text, 0))
    sockaddr = w.structure("sockaddr", 16, ("sa_family", u16, 0))
    sock = w.structure("sock", 64, ("skc_dport", be16, 12))
    bprm = w.structure("linux_binprm", 64, ("file", w.pointer(file), 8))
    mode = w.add("pid_type", 6, 4)
    at_file = ("file", w.pointer(file))
    for name in ("bpf_lsm_file_open", "security_file_open"):
        w.function(name, int_, at_file)
    w.function("bpf_lsm_file_lock", int_, at_file, ("cmd", u32))
    w.function("bpf_lsm_told", 0, at_file)
    w.function("security_file_lock", int_, at_file, ("cmd", ulong))
    w.function("do_unlinkat", int_, ("dfd", int_), ("name", w.pointer(filename)))
    w.function("many", int_, *((f"a{i}", ulong) for i in range(8)))
    w.function(
        "takes",
        ulong,
        ("cred", w.pointer(cred)),
        ("task", w.pointer(task)),
        ("address", w.pointer(sockaddr)),
        ("sk", w.pointer(sock)),
        ("buf", w.pointer(0)),
        ("count", ulong),
        ("flag", bool_),
        ("kind", mode),
        ("text", text),
    )
    skb = w.structure("sk_buff", 64, ("mark", u32, 8))
    w.function("sends", int_, ("skb", w.pointer(skb)))
    w.function("apart", int_, ("whole", path), ("after", int_))
    w.tracepoint(
        "sched_process_exec", ("p", w.pointer(task)), ("old", int_), ("b", w.pointer(bprm))
    )
    module = Writer(w)
    private = module.structure("private", 16, ("mark", int_, 4), ("inode", inode, 8))
    module.function("module_open", ulong, ("mine", module.pointer(private)), at_file)
    module.function("takes_none", 0)
    return w.done(), module.done()


def small_kernel(directory: Path) -> KernelTypes:
    """That kernel, with one tracepoint, described below *directory*."""
    events = directory / "events" / "sched" / "sched_process_exec"
    if not events.exists():
        events.mkdir(parents=True)
        (events / "format").write_text(_FORMAT)
        (directory / "symbols").write_text(
            "ffff T undescribed\nffff t module_open\t[mine]\nffff T tcp_close\t[tcp]\n"
        )
    kernel, module = small_btf()
    (directory / "mine").write_bytes(module)
    return KernelTypes(Btf(kernel), (directory,), directory / "symbols", directory)
