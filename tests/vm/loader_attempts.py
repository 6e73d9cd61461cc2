# SPDX-License-Identifier: MIT
"""Ways to have a file run by a loader, and what a machine needs for them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import compiled
from programs import Ended, Workshop, unprivileged

__all__ = ["LOADER", "WAYS", "bare", "furnish", "interpreted_by"]

LOADER = "/lib64/ld-linux-x86-64.so.2"
USER = 1003

_BARE = r"""
/* Without a library, so that it runs as the interpreter of another program, too. */
static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
void _start(void)
{
    long fd = call(2, (long)"@MARK@", 0101, 0600);
    call(60, fd < 0 ? 201 : 0, 0, 0);
    __builtin_unreachable();
}
"""


def furnish(shop: Workshop) -> None:
    """Make what the ways need beside the programs that are run: libraries, names, own loaders."""
    root = shop.root
    for name in ("ld-mini.so.1", "libc.so", "maps-itself"):
        compiled.place("mini-loader", root / name)
    compiled.place("audit-library", root / "library.so")
    (root / "another-name").symlink_to(LOADER)
    (root / "linked").mkdir()


def bare(shop: Workshop, name: str) -> Path:
    """Make a program without libraries, which runs as an interpreter too."""
    path = shop.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _BARE.replace("@MARK@", str(shop.root / "marks" / "mark"))
    _compile(
        shop.root / "bare.c", text, path, "-static-pie", "-fPIE", "-nostdlib", "-ffreestanding"
    )
    return path


def interpreted_by(shop: Workshop, interpreter: Path, name: str) -> Path:
    """Make a dynamic program that names *interpreter* as the one to run it."""
    path = shop.root / name
    options = (f"-Wl,--dynamic-linker={interpreter}", "-pie", "-fPIE")
    _compile(shop.root / "other.c", "int main(void) { return 202; }\n", path, *options)
    return path


def _compile(source: Path, text: str, output: Path, *options: str) -> None:
    source.write_text(text)
    subprocess.run(["gcc", "-O1", "-o", output, source, *options], check=True)


Way = Callable[[Workshop, Path], Ended]


def _loaded(*options: str) -> Way:
    return lambda shop, file: shop.run(LOADER, *(o.format(root=shop.root) for o in options), file)


def _linked(shop: Workshop, file: Path) -> Ended:
    link = shop.root / "linked" / "name"
    link.unlink(missing_ok=True)
    link.symlink_to(file)
    return shop.run(LOADER, link)


def _script(shop: Workshop, file: Path) -> Ended:
    script = shop.root / "linked" / "script"
    script.write_text(f"#!{LOADER} {file}\n")
    script.chmod(0o755)
    return shop.run(script)


def _shell(command: str) -> Way:
    return lambda shop, file: shop.run(
        "/bin/sh", "-c", command.format(file=file, root=shop.root, loader=LOADER)
    )


WAYS: dict[str, Way] = {
    "path": _loaded(),
    "no descriptor of the loader": lambda shop, file: shop.launch("fd", LOADER, file),
    "thread": lambda shop, file: shop.launch("thread", LOADER, file),
    "unprivileged": lambda shop, file: shop.run(LOADER, file, **unprivileged(USER)),
    "another argv[0]": _loaded("--argv0", "harmless"),
    "preload option": _loaded("--preload", "{root}/library.so"),
    "audit option": _loaded("--audit", "{root}/library.so"),
    "no cache": _loaded("--inhibit-cache"),
    "preload": _shell("LD_PRELOAD={root}/library.so exec {loader} {file}"),
    "bound now": _shell("LD_BIND_NOW=1 LD_LIBRARY_PATH={root} exec {loader} {file}"),
    "symbolic link": _linked,
    "proc root": _shell("exec {loader} /proc/self/root{file}"),
    "descriptor": _shell("exec {loader} /proc/self/fd/7 7< {file}"),
    "relative": _shell("cd $(dirname {file}) && exec {loader} ./../$(basename $PWD)/plain"),
    "loader by another name": _shell("exec {root}/another-name {file}"),
    "loader of a script": _script,
    "readable is executable": _shell("exec setarch -X {loader} {file}"),
    "own mounts": _shell("exec unshare -m {loader} {file}"),
    "bound elsewhere": _shell(
        "exec unshare -m sh -c 'mount --bind {file} {root}/bound && exec {loader} {root}/bound'"
    ),
    "loader bound to another name": _shell(
        "exec unshare -m sh -c 'mount --bind {loader} {root}/bound && exec {root}/bound {file}'"
    ),
    "another loader": lambda shop, file: shop.run(shop.root / "ld-mini.so.1", file),
    "one called as musl is": lambda shop, file: shop.run(shop.root / "libc.so", file),
}
"""By what they do: run the file at the path, which is called plain."""
