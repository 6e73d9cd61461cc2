# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH108, PTH118, PTH119, PTH120, PTH123, PTH211
"""
Attempts to run in a container what its image did not bring: ``drift_attempts.py NAME``, inside of the container.

IMAGE is a folder of the image. Each attempt makes a program run by one way, and ends with the errno that stopped it.
Whether the program ran tells the mark that it leaves. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import shutil
import signal
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import Attempts, check, mount, own_users

ATTEMPTS = Attempts()

IMAGE = "/opt/enforcer-drift/image"
VOLUME = "/opt/enforcer-drift/volume"
MARK = "/run/mark"
STRANGER = 1234
_BIND, _REC = 0x1000, 0x4000
_AT_EMPTY_PATH = 0x1000
_SYS_EXECVEAT = 322
_LOADER = "/lib64/ld-linux-x86-64.so.2"


def _run(program: str, *argv: str, root: str = "", fd: int = -1) -> None:
    """Run *program*, or what *fd* is of, and wait for its end; raises OSError if the kernel refuses it."""
    into, out_of = os.pipe()[::-1]
    environment = {"MARK": os.path.basename(MARK), "PATH": "/usr/bin"}
    pid = os.fork()
    if not pid:
        try:
            os.chdir(os.path.dirname(MARK))  # which stays reachable, whatever the root
            if root:
                os.chroot(root)
            if fd >= 0:
                _execveat(fd, environment)
            os.execve(program, [program, *argv], environment)
        except OSError as error:
            os.write(into, (error.errno or 255).to_bytes(1, "little"))
        os._exit(127)
    os.close(into)
    _, status = os.waitpid(pid, 0)
    refused = os.read(out_of, 1)
    if refused:
        raise OSError(refused[0], os.strerror(refused[0]))
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        raise OSError(errno.EINTR, "killed")
    if status:
        raise OSError(errno.ECHILD, f"it ended with {status}")


def _execveat(fd: int, environment: dict[str, str]) -> None:
    words = [f"{key}={value}".encode() for key, value in environment.items()]
    array = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    argv = (ctypes.c_char_p * 2)(b"program", None)
    check(
        ctypes.CDLL(None, use_errno=True).syscall(
            _SYS_EXECVEAT, fd, b"", argv, array, _AT_EMPTY_PATH
        )
    )


def _of_image(name: str) -> str:
    return os.path.join(IMAGE, name)


def _fresh(name: str, of: str = "program") -> str:
    """Copy a file of the image to a new one in the container, executable."""
    path = f"/opt/{name}"
    Path(path).unlink(missing_ok=True)
    shutil.copyfile(_of_image(of), path)
    os.chmod(path, 0o755)
    return path


# ---- What the image brought ------------------------------------------------------------------


@ATTEMPTS.add
def image() -> None:
    _run(_of_image("program"))


@ATTEMPTS.add
def image_script() -> None:
    _run(_of_image("script"))


@ATTEMPTS.add
def image_library() -> None:
    ctypes.CDLL(_of_image("library.so"))
    Path(MARK).touch()


@ATTEMPTS.add
def image_by_descriptor() -> None:
    _run("", fd=os.open(_of_image("program"), os.O_PATH))


@ATTEMPTS.add
def image_by_loader() -> None:
    _run(_LOADER, _of_image("dynamic"))


@ATTEMPTS.add
def image_in_a_sandbox() -> None:
    """In namespaces of a user's own, as sandboxes are."""
    own_users()
    mount("none", "/srv", "tmpfs")
    os.mkdir("/srv/bin")
    mount(IMAGE, "/srv/bin", "", _BIND)
    _run("/bin/program", root="/srv")


@ATTEMPTS.add
def image_mounted_elsewhere() -> None:
    """A bind mount of the image's own folder is the image's."""
    os.makedirs("/opt/elsewhere", exist_ok=True)
    mount(IMAGE, "/opt/elsewhere", "", _BIND)
    _run("/opt/elsewhere/program")


@ATTEMPTS.add
def read_by_image() -> None:
    _run("/usr/bin/cat", _of_image("asked-by"))
    Path(MARK).touch()


# ---- What only metadata were changed of: metacopy decides -------------------------------------


@ATTEMPTS.add
def chowned() -> None:
    os.chown(_of_image("chowned"), STRANGER, STRANGER)
    _run(_of_image("chowned"))


@ATTEMPTS.add
def made_executable() -> None:
    os.chmod(_of_image("plain"), 0o755)
    _run(_of_image("plain"))


@ATTEMPTS.add
def image_renamed() -> None:
    os.rename(_of_image("renamed"), _of_image("renamed-now"))
    _run(_of_image("renamed-now"))


@ATTEMPTS.add
def image_linked() -> None:
    os.link(_of_image("linked"), _of_image("linked-now"))
    _run(_of_image("linked-now"))


# ---- What was written in the container --------------------------------------------------------


@ATTEMPTS.add
def downloaded() -> None:
    path = "/opt/downloaded"
    content = Path(_of_image("program")).read_bytes()
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o755)
    os.write(fd, content)
    os.close(fd)
    _run(path)


@ATTEMPTS.add
def copied() -> None:
    _run(_fresh("copied"))


@ATTEMPTS.add
def extracted() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(_of_image("program"), "extracted")
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        archive.extractall("/opt", filter="tar")
    _run("/opt/extracted")


@ATTEMPTS.add
def changed() -> None:
    """Written in place: the name and the number of the image's file stay."""
    with open(_of_image("changed"), "r+b") as program:
        program.seek(0, os.SEEK_END)
        program.write(b"more")
    _run(_of_image("changed"))


@ATTEMPTS.add
def changed_after_runs() -> None:
    """What was found of it before must not be remembered."""
    for _ in range(3):
        _run(_of_image("again"))
    Path(MARK).unlink()
    with open(_of_image("again"), "r+b") as program:
        program.seek(0, os.SEEK_END)
        program.write(b"more")
    _run(_of_image("again"))


@ATTEMPTS.add
def copied_over_itself() -> None:
    path = _of_image("itself")
    content = Path(path).read_bytes()
    with open(path, "r+b") as program:
        program.write(content)
    _run(path)


@ATTEMPTS.add
def renamed_over() -> None:
    os.rename(_fresh("replacement"), _of_image("replaced"))
    _run(_of_image("replaced"))


@ATTEMPTS.add
def linked() -> None:
    _fresh("first")
    Path("/usr/bin/second").unlink(missing_ok=True)
    os.link("/opt/first", "/usr/bin/second")
    _run("/usr/bin/second")


@ATTEMPTS.add
def exchanged() -> None:
    os.symlink(_fresh("target"), "/opt/exchanged")
    _run("/opt/exchanged")


@ATTEMPTS.add
def descriptor() -> None:
    _run("", fd=os.open(_fresh("by-descriptor"), os.O_PATH))


@ATTEMPTS.add
def proc_descriptor() -> None:
    fd = os.open(_fresh("by-proc"), os.O_RDONLY)
    os.set_inheritable(fd, True)
    _run(f"/proc/self/fd/{fd}")


@ATTEMPTS.add
def removed() -> None:
    fd = os.open(_fresh("removed"), os.O_RDONLY)
    os.unlink("/opt/removed")
    _run("", fd=fd)


@ATTEMPTS.add
def opened_before() -> None:
    """A descriptor of the image's file, opened before that was written to."""
    fd = os.open(_of_image("before"), os.O_PATH)
    with open(_of_image("before"), "r+b") as program:
        program.seek(0, os.SEEK_END)
        program.write(b"more")
    _run("", fd=fd)


@ATTEMPTS.add
def opened_to_read_before() -> None:
    fd = os.open(_of_image("before-read"), os.O_RDONLY)
    os.truncate(_of_image("before-read"), os.fstat(fd).st_size + 1)
    _run("", fd=fd)


@ATTEMPTS.add
def loader() -> None:
    _run(_LOADER, _fresh("loaded", "dynamic"))


@ATTEMPTS.add
def script() -> None:
    _run(_fresh("script", "script"))


@ATTEMPTS.add
def script_edited() -> None:
    with open(_of_image("edited"), "a") as text:
        text.write("\n:\n")
    _run(_of_image("edited"))


@ATTEMPTS.add
def interpreter() -> None:
    """A script of the image's whose interpreter is not."""
    _run(_of_image("foreign-script"))


@ATTEMPTS.add
def library() -> None:
    ctypes.CDLL(_fresh("library.so", "library.so"))
    Path(MARK).touch()


@ATTEMPTS.add
def library_replaced() -> None:
    os.rename(_fresh("new.so", "library.so"), _of_image("replaced.so"))
    ctypes.CDLL(_of_image("replaced.so"))
    Path(MARK).touch()


@ATTEMPTS.add
def library_made_executable() -> None:
    """Mapped to be read, and made executable afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    fd = os.open(_fresh("mapped.so", "library.so"), os.O_RDONLY)
    at = libc.mmap(None, 4096, 1, 2, fd, 0)
    check(libc.mprotect(ctypes.c_void_p(at), 4096, 5))
    Path(MARK).touch()


# ---- Memory, volumes and file systems of others -----------------------------------------------


@ATTEMPTS.add
def tmpfs() -> None:
    shutil.copyfile(_of_image("program"), "/srv/program")
    os.chmod("/srv/program", 0o755)
    _run("/srv/program")


@ATTEMPTS.add
def tmpfs_root() -> None:
    shutil.copyfile(_of_image("program"), "/srv/program")
    os.chmod("/srv/program", 0o755)
    _run("/program", root="/srv")


@ATTEMPTS.add
def memfd() -> None:
    fd = os.memfd_create("program")
    os.write(fd, Path(_of_image("program")).read_bytes())
    _run("", fd=fd)


@ATTEMPTS.add
def volume() -> None:
    _run(f"{VOLUME}/program")


@ATTEMPTS.add
def mounted_over() -> None:
    mount(f"{VOLUME}/program", _of_image("covered"), "", _BIND)
    _run(_of_image("covered"))


@ATTEMPTS.add
def read_by_volume() -> None:
    _run(f"{VOLUME}/cat", _of_image("asked-by"))
    Path(MARK).touch()


@ATTEMPTS.add
def read_again() -> None:
    """Read some times, then written to, then read."""
    asked = Path(_of_image("asked"))
    for _ in range(3):
        assert asked.read_text()
    with open(asked, "a") as text:
        text.write("more")
    asked.read_text()
    Path(MARK).touch()


@ATTEMPTS.add
def read_brought() -> None:
    Path(_of_image("asked-own")).read_text()
    Path(MARK).touch()


def _overlay(more: str = "") -> str:
    """Show a folder of the container's own as the lower layer of an overlay."""
    # In memory: the machine's root is an overlay, and the kernel stacks no three of them.
    for name in ("/srv/lower/run", "/srv/none", "/srv/shown"):
        os.makedirs(name, exist_ok=True)
    shutil.copy(_of_image("program"), "/srv/lower/program")
    mount("none", "/srv/shown", "overlay", 0, f"lowerdir=/srv/lower:/srv/none{more}")
    return "/srv/shown"


@ATTEMPTS.add
def own_overlay() -> None:
    _run(_overlay() + "/program")


@ATTEMPTS.add
def own_overlay_as_root() -> None:
    _run("/program", root=_overlay())


@ATTEMPTS.add
def users_overlay() -> None:
    own_users()
    _run(_overlay(",userxattr") + "/program")


@ATTEMPTS.add
def users_overlay_as_root() -> None:
    own_users()
    _run("/program", root=_overlay(",userxattr"))


# ---- What a runtime puts in later --------------------------------------------------------------


def lay_over_root() -> None:
    """Cover the root with such an overlay: who comes into the mount namespace from now on gets that."""
    shown = _overlay()
    mount("/run", f"{shown}/run", "", _BIND)
    mount(shown, "/", "", _BIND | _REC)


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
