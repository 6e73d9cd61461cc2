#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Print the table of enforcer/policy/language/syscall_table.py from the kernel's headers.

usage: scripts/syscall-table.py ASM/UNISTD_64.H LINUX/SYSCALLS.H

What the headers do not say stands below: entries whose prototype is elsewhere, arguments that the
call always casts (casts.py has those that it casts for some commands), and which char pointers are no strings.
"""

import re
import sys
import textwrap
from pathlib import Path

# arch/x86/include/asm/syscalls.h and arch/x86/kernel: not in linux/syscalls.h; or without names there.
ELSEWHERE = {
    "mmap": "llllil",  # mm/mmap.c looks its descriptor up as an int
    "rt_sigreturn": "",
    "modify_ldt": "ipl",
    "arch_prctl": "il",
    "umount2": "ti",
    "iopl": "u",
    "set_thread_area": "p",
    "get_thread_area": "p",
    "clone": "ulppl",  # kernel/fork.c takes the lower half of the flags
    # security/keys/keyctl.c casts what most of its operations take first to key_serial_t.
    "keyctl": "iilll",
}
SIGNED = {
    "int",
    "pid_t",
    "key_t",
    "clockid_t",
    "timer_t",
    "mqd_t",
    "key_serial_t",
    "__s32",
    "rwf_t",
}
UNSIGNED = {"unsigned int", "unsigned", "u32", "uid_t", "gid_t", "uint32_t", "__u32", "qid_t"}
HALF = {"umode_t"}
NO_STRING = {"buf", "u_msg_ptr", "msg_ptr", "optval", "vec", "uargs", "_payload"}
NO_STRINGS = {"write", "pwrite64", "mq_timedsend"}
STRINGS = {"filename", "dev_name", "dir_name", "type"}


def kind(parameter, name):
    if parameter.endswith("*") or "*" in parameter:
        base = parameter.replace("const ", "").replace("__user", "").replace(" ", "")
        label = parameter.split("*")[-1].strip()
        is_text = re.match(r"const char __user \*\s*\w*$", parameter) or (
            label in STRINGS and re.match(r"char __user \*", parameter)
        )
        if not is_text or base.count("*") > 1:
            return "p"
        return "p" if name in NO_STRINGS or label in NO_STRING else "t"
    words = parameter.split()
    known = SIGNED | UNSIGNED | HALF
    type_ = parameter if parameter in known or len(words) == 1 else " ".join(words[:-1])
    if words[0] == "enum":
        return "i"
    if type_ in SIGNED:
        return "i"
    if type_ in UNSIGNED:
        return "u"
    return "h" if type_ in HALF else "l"


def main(numbers, prototypes):
    text = re.sub(r"/\*.*?\*/", "", Path(prototypes).read_text(), flags=re.DOTALL)
    found = {}
    for m in re.finditer(r"asmlinkage long sys_(\w+)\s*\(([^;]*?)\)\s*;", text, flags=re.DOTALL):
        found.setdefault(m[1], []).append(re.sub(r"\s+", " ", m[2]).strip())
    rows = []
    for name, number in re.findall(r"#define __NR_(\w+) (\d+)", Path(numbers).read_text()):
        if name in ELSEWHERE:
            kinds = ELSEWHERE[name]
        elif name in found:
            last = found[name][-1]  # of several, the one without an #ifdef comes last
            parameters = [p.strip() for p in last.split(",")] if last != "void" else []
            kinds = "".join(kind(p, name) for p in parameters)
        else:
            continue  # never carried out on this architecture
        rows.append(f"{name}/{number}/{kinds}")
    print(textwrap.fill(" ".join(rows), 96, break_long_words=False, break_on_hyphens=False))


main(*sys.argv[1:])
