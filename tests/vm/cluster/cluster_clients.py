# SPDX-License-Identifier: MIT
"""How tests ask the API server: as somebody who types kubectl, and without it."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import attrs
from authority import Authority
from patience import scaled

__all__ = ["PROGRAMS", "ROOT", "SERVER", "Api", "Kubectl"]

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = ROOT / "build/cluster"
SERVER = "10.99.0.1"
"""The first address of services is the API server's."""
_MADE = (HTTPStatus.CREATED,)
_GONE = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
_AT_ONCE = 3
_TRIES = 20
_REST = 2.0
"""Seconds between two of them."""


@attrs.frozen
class Kubectl:
    """kubectl of somebody, whose certificate is in the file *config*."""

    config: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a shell needs in which somebody types kubectl."""
        return {
            "KUBECONFIG": str(self.config),
            # Newer than the server, which ends such a connection without a word.
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
        }

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl with *words*, and *given* as its input."""
        # The server checks. To do the same kubectl loads five megabytes first, and gives up after half a minute.
        unchecked = ["--validate=false"] if words[0] in {"apply", "create"} and given else []
        return subprocess.run(
            [PROGRAMS / "kubectl", *words, *unchecked],
            env={**os.environ, **self.environment},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(300),
        )

    def do(self, *words: str, given: str = "") -> str:
        """Run kubectl, which must succeed, and return what it prints."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def get(self, *words: str) -> Any:
        """Return what kubectl gets, as JSON."""
        return json.loads(self.do("get", "--output=json", *words))

    def has(self, *words: str) -> bool:
        """Tell whether there is what *words* name."""
        return self.run("get", *words).returncode == 0


@attrs.frozen
class Api:
    """The API server, asked by its administrator without kubectl, whose start costs an emulated machine seconds."""

    authority: Authority

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the object at *path*, None if there is none or the server does not answer."""
        said = self.text(path)
        return None if said is None else json.loads(said)

    def text(self, path: str) -> str | None:
        """Return what the server says at *path*, None if it does not."""
        try:
            with urllib.request.urlopen(
                f"https://{SERVER}{path}", timeout=30, context=self._context
            ) as said:
                return str(said.read().decode())
        except OSError:
            return None

    def create(self, path: str, documents: Iterable[dict[str, Any]]) -> None:
        """Make each of *documents* at *path*, as fast as the server takes them."""
        self._ask_each("POST", [(path, json.dumps(each)) for each in documents], _MADE)

    def delete(self, path: str, names: Iterable[str]) -> None:
        """Delete each of *names* at *path*: a request for all of them would be ended before it is done."""
        self._ask_each("DELETE", [(f"{path}/{name}", None) for name in names], _GONE)

    def _ask_each(
        self, method: str, requests: Sequence[tuple[str, str | None]], wanted: Collection[int]
    ) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = [
                pool.submit(self._ask_in_turn, method, requests[n::_AT_ONCE], wanted)
                for n in range(_AT_ONCE)
            ]
        for part in parts:
            part.result()

    def _ask_in_turn(
        self, method: str, requests: Sequence[tuple[str, str | None]], wanted: Collection[int]
    ) -> None:
        with contextlib.closing(self._connection()) as connection:
            for path, body in requests:
                # A server that is too busy for a request says so, and may have done it nevertheless.
                for tried in range(_TRIES):
                    connection.request(method, path, body, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    said = answer.read().decode()
                    is_done_before = tried > 0 and answer.status == HTTPStatus.CONFLICT
                    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        break
                    time.sleep(_REST)
                assert is_done_before or answer.status in wanted, said

    @property
    def _context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.authority.path("ca.crt"))
        made.load_cert_chain(self.authority.path("admin.crt"), self.authority.path("admin.key"))
        return made

    def _connection(self) -> HTTPSConnection:
        return HTTPSConnection(SERVER, timeout=scaled(300), context=self._context)
