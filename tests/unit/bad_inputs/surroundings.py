# SPDX-License-Identifier: MIT
"""Where bad inputs are tried: a folder with what they need, and the command in this process."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from bad_input import BadInput

from enforcer.cli.main import main

NOBODY = 65534


@attrs.frozen
class Done:
    """What a command left: its exit code, and both outputs."""

    code: int
    out: str
    err: str


def tried(given: BadInput, folder: Path) -> Done:
    """Run the command of *given* in *folder*, which is empty."""
    for name, content in given.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    with contextlib.chdir(folder), contextlib.ExitStack() as undo:
        if given.prepare is not None:
            undo.enter_context(PREPARED[given.prepare](folder))
        return _run_alone(given) if given.stdout is not None else _run(given, undo)


def _run_alone(given: BadInput) -> Done:
    """Run the command with a standard output that takes nothing, which must not be the one of the tests."""
    if given.stdout == "closed pipe":
        reader, out = os.pipe()
        os.close(reader)
    else:
        out = os.open(given.stdout or os.devnull, os.O_WRONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "enforcer", *given.arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(out)
    return Done(done.returncode, "", done.stderr)


def _run(given: BadInput, undo: contextlib.ExitStack) -> Done:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    if given.stdin is not None:
        undo.enter_context(_standard_input(given.stdin))
    undo.enter_context(contextlib.redirect_stdout(out))
    undo.enter_context(contextlib.redirect_stderr(err))
    try:
        code = main(list(given.arguments))
    except SystemExit as ended:
        code = ended.code
    out.flush()
    return Done(code, out.buffer.getvalue().decode(), err.getvalue())


@contextlib.contextmanager
def _standard_input(text: str) -> Iterator[None]:
    """Let descriptor 0 and ``sys.stdin`` read *text*."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    kept, before = os.dup(0), sys.stdin
    os.dup2(reader, 0)
    os.close(reader)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    try:
        yield
    finally:
        sys.stdin = before
        os.dup2(kept, 0)
        os.close(kept)


# ---- What is prepared -------------------------------------------------------------------------


@contextlib.contextmanager
def _as_nobody(folder: Path) -> Iterator[None]:
    """Root may read everything; somebody else may not."""
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@contextlib.contextmanager
def _fifo(folder: Path) -> Iterator[None]:
    os.mkfifo(folder / "policy.yaml")
    yield


@contextlib.contextmanager
def _socket(folder: Path) -> Iterator[None]:
    del folder
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("policy.yaml")
        yield


@contextlib.contextmanager
def _forbidden_socket(folder: Path) -> Iterator[None]:
    with _socket(folder):
        (folder / "policy.yaml").chmod(0)
        with _as_nobody(folder):
            yield


@contextlib.contextmanager
def _unreadable(folder: Path) -> Iterator[None]:
    (folder / "policy.yaml").write_bytes(b"")
    (folder / "policy.yaml").chmod(0)
    with _as_nobody(folder):
        yield


@contextlib.contextmanager
def _unlistable(folder: Path) -> Iterator[None]:
    (folder / "policies").mkdir(mode=0o311)
    with _as_nobody(folder):
        yield


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    (folder / "folder").mkdir(mode=0o555)
    with _as_nobody(folder):
        yield


@contextlib.contextmanager
def _circle(folder: Path) -> Iterator[None]:
    (folder / "policy.yaml").symlink_to("other.yaml")
    (folder / "other.yaml").symlink_to("policy.yaml")
    yield


@contextlib.contextmanager
def _dangling(folder: Path) -> Iterator[None]:
    (folder / "policy.yaml").symlink_to("gone.yaml")
    yield


@contextlib.contextmanager
def _writable_configuration(folder: Path) -> Iterator[None]:
    (folder / "enforcer.yaml").write_text("audit: true\n")
    (folder / "enforcer.yaml").chmod(0o666)
    yield


def _journal(name: str, form: int) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def made(folder: Path) -> Iterator[None]:
        from enforcer.workbench.replay.journal import BlockKind, Writer
        from enforcer.workbench.replay.recorder import head_of

        with contextlib.closing(Writer.create(folder / name)) as writer:
            writer.document(BlockKind.HEAD, {**head_of(set(), ()), "format": form})
        yield

    return made


def _server(answer: bytes) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    """Make a program that answers everybody with *answer* and hangs up."""

    @contextlib.contextmanager
    def serving(folder: Path) -> Iterator[None]:
        del folder
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("policy.yaml")
            listener.listen()
            thread = threading.Thread(target=_serve, args=(listener, answer))
            thread.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    return serving


def _serve(listener: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)


PREPARED = {
    "fifo": _fifo,
    "socket": _socket,
    "forbidden socket": _forbidden_socket,
    "unreadable": _unreadable,
    "unlistable": _unlistable,
    "read-only folder": _read_only,
    "circle": _circle,
    "dangling": _dangling,
    "writable configuration": _writable_configuration,
    "journal": _journal("good.journal", 1),
    "foreign journal": _journal("foreign.journal", 99),
    "web server": _server(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "mute server": _server(b""),
    "list server": _server(b"[1]\n"),
}
