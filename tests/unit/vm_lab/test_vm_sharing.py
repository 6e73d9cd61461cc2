# SPDX-License-Identifier: MIT
"""What serves directories to a guest, with a script in the place of the daemon."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab.sharing import Share, serve_virtiofs


def test_a_daemon_that_has_not_begun_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU tries once, and a busy machine may start the daemon later than QEMU."""
    daemon = tmp_path / "virtiofsd"
    daemon.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")  # it never asks for anybody
    daemon.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    shares = [Share("root", Path("/"), readonly=True), Share("queue", tmp_path, readonly=False)]

    with ExitStack() as stack:
        arguments = serve_virtiofs(shares, memory="1G", sockets=tmp_path, stack=stack)
        for share in shares:
            path = tmp_path / f"{share.tag}.socket"
            assert f"socket,id={share.tag},path={path}" in arguments
            with socket.socket(socket.AF_UNIX) as qemu:
                qemu.connect(str(path))

    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect(str(tmp_path / "root.socket"))
