# SPDX-License-Identifier: MIT
"""An authority of certificates for one cluster, and who it vouches for; made with openssl."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import attrs

__all__ = ["Authority"]

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = ("-days", "30")


@attrs.frozen
class Authority:
    """Certificates in *folder*: ``ca.crt``, and ``NAME.crt`` with ``NAME.key`` of each that was made."""

    folder: Path

    def make(self) -> None:
        """Make the authority itself."""
        self.folder.mkdir(parents=True, exist_ok=True)
        use = ("-addext", "keyUsage=critical,keyCertSign")
        words = ("req", "-x509", *_KEY, *_DAYS, "-subj", "/CN=test", *use)
        self._openssl(*words, *self._out("ca"))

    def vouch(self, name: str, user: str, *groups: str, hosts: tuple[str, ...] = ()) -> None:
        """Make the certificate *name* for *user*, or for a server that is known by *hosts*."""
        subject = "".join(f"/O={each}" for each in groups) + f"/CN={user}"
        use = "serverAuth" if hosts else "clientAuth"
        words = ["-addext", f"extendedKeyUsage={use}"]
        if hosts:
            words += ["-addext", f"subjectAltName={','.join(hosts)}"]
        issuer = ("-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"))
        self._openssl(
            *("req", "-x509", *_KEY, *_DAYS, *issuer, "-subj", subject),
            *("-addext", "basicConstraints=critical,CA:FALSE", *words, *self._out(name)),
        )

    def key_pair(self, name: str) -> None:
        """Make ``NAME.key`` and ``NAME.pub``, as tokens are signed with."""
        self._openssl(
            "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(f"{name}.key")
        )
        self._openssl(
            "ec", "-in", self.path(f"{name}.key"), "-pubout", "-out", self.path(f"{name}.pub")
        )

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def config(self, name: str, server: str) -> Path:
        """Write what a client needs that is *name*; return where."""
        place = self.folder / f"{name}.kubeconfig"
        place.write_text(json.dumps(self._config(name, server)))
        return place

    def _config(self, name: str, server: str) -> dict[str, Any]:
        user = {
            "client-certificate-data": self._data(f"{name}.crt"),
            "client-key-data": self._data(f"{name}.key"),
        }
        cluster = {"server": server, "certificate-authority-data": self._data("ca.crt")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }

    def _data(self, name: str) -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def _out(self, name: str) -> tuple[str, ...]:
        return ("-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.crt"))

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
