# SPDX-License-Identifier: MIT
"""
An image made of busybox alone, as an archive that podman and containerd load, and as a folder.

Its program ``/serve`` runs the lines that are written into ``/ctl/ask``, so that what a test does is done by an
ordinary process of the container, whatever the runtime.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["DATA", "SERVE", "archive", "unpacked"]

SERVE = ("/bin/sh", "/serve")
_BUSYBOX = Path("/usr/bin/busybox")
_LINKS = ("sh", "cat", "sleep", "true", "mkdir", "ln")
_COPIES = ("touch", "echo", "printf", "head")
"""Files of their own, so that a rule can name one of them and mean no other."""
DATA = ("secret", "kept", "image", "pod", "id", "seen", "free", "linked")
_POINTING = {"bin/tail": "head", "alias": "/data"}
"""Links to such a file and to a folder."""
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:1000:\n",
    "etc/os-release": "ID=test\n",
    "serve": (
        "n=0\n"
        "while read -r line; do\n"
        "n=$((n+1))\n"
        "if (: >/ctl/said.$n); then\n"
        '/bin/sh -c "$line" >/ctl/said.$n 2>&1\n'
        "echo $? >/ctl/code.$n\n"
        'else /bin/sh -c "$line"; fi\n'  # the root of a pod's own container is read-only
        "done <>/ctl/ask\n"
    ),
    **{f"data/{name}": f"{name}\n" for name in DATA},
}
_FOLDERS = ("bin", "ctl", "data", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var")
_ARCHITECTURE = "amd64"


def _layer() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for entry, content in _entries():
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _entries() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name in _FOLDERS:
        yield _entry(name, tarfile.DIRTYPE, 0o755), b""
    busybox = _BUSYBOX.read_bytes()
    for name in ("busybox", *_COPIES):
        yield _entry(f"bin/{name}", tarfile.REGTYPE, 0o755, len(busybox)), busybox
    for name in _LINKS:
        link = _entry(f"bin/{name}", tarfile.SYMTYPE, 0o777)
        link.linkname = "busybox"
        yield link, b""
    for name, target in _POINTING.items():
        link = _entry(name, tarfile.SYMTYPE, 0o777)
        link.linkname = target
        yield link, b""
    for name, text in _TEXTS.items():
        yield _entry(name, tarfile.REGTYPE, 0o644, len(text)), text.encode()
    # A pod may run as anybody, and its first container with it.
    yield _entry("ctl/ask", tarfile.FIFOTYPE, 0o666), b""


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry


def archive(path: Path, name: str) -> None:
    """Write the image with its *name* to *path*, in the form of the Open Container Initiative."""
    layer = _layer()
    rootfs = {"type": "layers", "diff_ids": [_digest(layer)]}
    config = _json(
        {
            "architecture": _ARCHITECTURE,
            "os": "linux",
            "rootfs": rootfs,
            "config": {"Cmd": list(SERVE), "Labels": {"name": name}},  # no two are the same image
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _described("config.v1+json", config),
            "layers": [_described("layer.v1.tar", layer)],
        }
    )
    named = {
        **_described("manifest.v1+json", manifest),
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name,
        },
    }
    index = _json({"schemaVersion": 2, "manifests": [named]})
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    for blob in (layer, config, manifest):
        files[f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"] = blob
    with tarfile.open(path, "w") as tar:
        for place, content in files.items():
            tar.addfile(_entry(place, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))


def unpacked(folder: Path) -> None:
    """Write its files into *folder*."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(_layer())) as tar:
        tar.extractall(folder, filter="fully_trusted")


def _described(kind: str, content: bytes) -> dict[str, Any]:
    return {
        "mediaType": f"application/vnd.oci.image.{kind}",
        "digest": _digest(content),
        "size": len(content),
    }


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
