# SPDX-License-Identifier: MIT
"""
Containers with an image, as a runtime makes them: an overlay, whose lower layer is the file system of the machine.

``drifting.py CGROUP FOLDER OPTIONS`` becomes such a container and makes the attempts that its standard input asks for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import CLONE_NEWNS, LIBC, check, mount, own_mounts
from drift_attempts import ATTEMPTS, IMAGE, MARK, VOLUME, lay_over_root

__all__ = [
    "BROUGHT",
    "IMAGE",
    "LAID_OVER",
    "MADE",
    "METADATA",
    "OF_VOLUMES",
    "POLICY",
    "PUT_IN",
    "VOLUME",
    "Drifting",
    "clear",
    "container",
    "prepare",
    "results",
]

POLICY = """---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: drift}
spec:
  selector: {cgroup: [/system.slice/docker-1*, /system.slice/docker-2*, /system.slice/docker-3*]}
  rules:
    - {name: programs, exec: {}, match: {drift: true}, action: {deny: {errno: EDOM}}}
    - {name: libraries, file: mmapExec, match: {drift: true}, action: {deny: {errno: EDOM}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: drift-but-volumes}
spec:
  selector: {cgroup: /system.slice/docker-4*}
  rules:
    - {name: programs, exec: {}, match: {drift: true, volumes: trusted}, action: {deny: {errno: EDOM}}}
    - {name: libraries, file: mmapExec, match: {drift: true, volumes: trusted}, action: {deny: {errno: EDOM}}}
    - {name: written, file: read, match: {path: {suffix: /asked}, drift: true}, action: {deny: {errno: EDOM}}}
    - {name: brought, file: read, match: {path: {suffix: /asked-own}, drift: false}, action: {deny: {errno: EDOM}}}
    - name: by-volume
      file: read
      match: {path: {suffix: /asked-by}, process: {drift: true}}
      action: {deny: {errno: EDOM}}
"""
METADATA = ("chowned", "made_executable", "image_renamed", "image_linked")
OF_VOLUMES = ("volume", "mounted_over", "interpreter")
READING = ("read_by_volume", "read_again", "read_brought")
BROUGHT = tuple(name for name in ATTEMPTS if name.startswith("image") and name not in METADATA)
MADE = tuple(
    name
    for name in ATTEMPTS
    if name not in {*BROUGHT, *METADATA, *OF_VOLUMES, *READING, "read_by_image"}
    # Root of a privileged container mounts what it likes: a volume, to the kernel.
    and name not in {"own_overlay", "own_overlay_as_root"}
)
OF_VOLUMES += ("own_overlay", "own_overlay_as_root")
PUT_IN = ("put_in", "put_in_below")
LAID_OVER = ("laid_over", "laid_over_below")
_KINDS = {
    "control": "",
    "drift": "",
    "drift-metacopy": ",metacopy=on",
    "drift-native": "native",
    "volumes": "",
}

# Becomes a program in the container of a process: entering its mount namespace leads to the root of that.
_COME_IN = f"""
my ($process, $cgroup, $program) = @ARGV;
open(MOUNTS, "<", "/proc/$process/ns/mnt") or exit 255;
open(MEMBERS, ">", "$cgroup/cgroup.procs") and print(MEMBERS $$) and close(MEMBERS) or exit 255;
syscall(308, fileno(MOUNTS), {CLONE_NEWNS}) == 0 or exit 255;  # setns
%ENV = (MARK => "{MARK}");
exec {{$program}} $program or exit $!;
"""
_BIND, _DETACH = 0x1000, 2
_SYS_PIVOT_ROOT = 155
_PROGRAMS = (
    *("program", "chowned", "plain", "renamed", "linked", "changed", "itself", "replaced"),
    *("before", "before-read", "covered", "again"),
)


def prepare() -> None:
    """Put what the image has into the file system of the machine, and what a volume has."""
    import compiled

    for folder in (IMAGE, VOLUME):
        Path(folder).mkdir(parents=True)
    image = Path(IMAGE)
    for name in _PROGRAMS:
        compiled.place("mark", image / name)
    (image / "plain").chmod(0o644)
    compiled.place("mark-dynamic", image / "dynamic")
    for name in ("library.so", "replaced.so"):
        compiled.place("planted-library", image / name)
    for name in ("script", "edited"):
        (image / name).write_text(f"#!/bin/sh\n: >{MARK}\n")
        (image / name).chmod(0o755)
    (image / "foreign-script").write_text(f"#!{VOLUME}/program\n")
    (image / "foreign-script").chmod(0o755)
    shutil.copy(image / "program", Path(VOLUME) / "program")
    shutil.copy("/usr/bin/cat", VOLUME)
    for name in ("asked", "asked-own", "asked-by"):
        (image / name).write_text(name)


def clear() -> None:
    """Remove what :func:`prepare` made."""
    shutil.rmtree(Path(IMAGE).parent)


@contextlib.contextmanager
def container(name: str, program: Path) -> Iterator[Drifting]:
    """Run the container *name*, as one of Docker's; *program* is what its cgroup needs a name for."""
    from pods import Container

    described = Container("docker", f"{[*_KINDS].index(name):x}", program, name=name)
    described.describe()
    described.cgroup.mkdir(parents=True)
    folder = Path(f"/run/drifting-{name}")
    folder.mkdir()
    made = Drifting(described.cgroup, folder, _KINDS[name])
    try:
        yield made
    finally:
        made.close()
        folder.rmdir()
        described.remove()


def results(name: str, program: Path) -> dict[str, tuple[int, bool, str]]:
    """Return what comes of each attempt in the container *name*."""
    with container(name, program) as made:
        ends = {attempt: made.attempt(attempt) for attempt in ATTEMPTS}
        ends |= {end: made.put_in(f"{IMAGE}/program", _below(end)) for end in PUT_IN}
        assert made.lay_over() == 0
        ends |= {end: made.put_in("/program", _below(end)) for end in LAID_OVER}
    return ends


def _below(end: str) -> str:
    return "exec" if end.endswith("_below") else ""


class Drifting:
    """A container; *options* are those of its overlay besides the layers."""

    def __init__(self, cgroup: Path, folder: Path, options: str = "") -> None:
        self.cgroup = cgroup
        self.process = subprocess.Popen(
            [sys.executable, "-IS", __file__, str(cgroup), str(folder), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def attempt(self, name: str) -> tuple[int, bool, str]:
        """Make an attempt; return the errno that stopped it, whether the program ran, and what was said."""
        asked, answers = self.process.stdin, self.process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(json.dumps([name]).encode() + b"\n")
        line = answers.readline()
        assert line, f"the container ended with {self.process.wait()} at {name}"
        code, ran, said = json.loads(line)
        return code, ran, said

    def put_in(self, program: str, below: str = "") -> tuple[int, bool, str]:
        """Let a process of the host run *program* in it, in the cgroup *below* its own; returns as an attempt."""
        from engine import perl

        cgroup = self.cgroup / below
        cgroup.mkdir(exist_ok=True)
        mark = Path(f"/proc/{self.process.pid}/root{MARK}")
        mark.unlink(missing_ok=True)
        ended = perl(_COME_IN, str(self.process.pid), str(cgroup), program)
        return ended.returncode, mark.exists(), ended.stderr.decode()

    def lay_over(self) -> int:
        """Let its root mount an overlay over its root, which has the image's program as /program; returns 0 or errno."""
        return self.attempt(lay_over_root.__name__)[0]

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def _enter(cgroup: str, folder: str, options: str) -> None:
    Path(cgroup, "cgroup.procs").write_text(str(os.getpid()))
    own_mounts()
    mount("none", folder, "tmpfs")
    for name in ("upper", "work", "root"):
        Path(folder, name).mkdir()
    root = f"{folder}/root"
    if options == "native":
        mount("/", root, "", _BIND)
    else:
        layers = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
        mount("none", root, "overlay", 0, layers + options)
    mount("none", f"{root}/srv", "tmpfs")
    mount("none", f"{root}/run", "tmpfs")
    mount(VOLUME, root + VOLUME, "", _BIND)
    os.chdir(root)
    check(LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."))
    check(LIBC.umount2(b".", _DETACH))
    os.chdir("/")
    mount("none", "/proc", "proc")


def _serve() -> None:
    """Answer each line with what came of the attempt that it names, in a process that is forked for it."""
    for line in sys.stdin.buffer:
        Path(MARK).unlink(missing_ok=True)
        said, out = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(out, 2)
            os.dup2(out, 1)
            os._exit(ATTEMPTS.make(*json.loads(line)))
        os.close(out)
        with os.fdopen(said, "rb") as read:
            text = read.read().decode()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        answer = [code, Path(MARK).exists(), text]
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    ATTEMPTS.add(lay_over_root)
    if len(sys.argv) > 1:
        _enter(*sys.argv[1:])
        # The first program of the container, as a runtime runs it.
        os.execv(sys.executable, [sys.executable, "-IS", __file__])
    _serve()
