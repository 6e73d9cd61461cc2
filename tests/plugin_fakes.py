# SPDX-License-Identifier: MIT
"""A stand-in for kubectl: a program that answers as a test says, and writes down what it was asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import attrs

_PROGRAM = """\
#!{python} -IS
import json, signal, sys, os
here = os.path.dirname(os.path.abspath(__file__))
given = sys.stdin.buffer.read().decode() if "--filename=-" in sys.argv else ""
with open(here + "/asked", "a") as file:
    file.write(json.dumps([sys.argv[1:], given]) + "\\n")
with open(here + "/answers") as file:
    answers = json.load(file)
line = " ".join(sys.argv[1:])
for each in answers:
    if all(word in line for word in each["words"]):
        break
else:
    sys.exit("no answer for " + line)
sys.stdout.buffer.write(each["out"].encode("utf-8", "surrogateescape"))
sys.stdout.buffer.flush()
sys.stderr.write(each["err"])
sys.stderr.flush()
if each["stays"]:
    signal.pause()
sys.exit(each["code"])
"""


@attrs.define
class FakeKubectl:
    """A folder for the path with a kubectl in it."""

    folder: Path
    _answers: list[dict[str, Any]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        program = self.folder / "kubectl"
        program.write_text(_PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        self._write()

    def answer(
        self, *words: str, out: str = "", err: str = "", code: int = 0, stays: bool = False
    ) -> None:
        """Answer a command line that has all *words*; the last answer that fits counts."""
        each = {"words": words, "out": out, "err": err, "code": code, "stays": stays}
        self._answers.insert(0, each)
        self._write()

    def refuse(self, *words: str, reason: str = "Forbidden") -> None:
        """Answer as a server that refuses."""
        err = f'Error from server ({reason}): things are refused: User "x" cannot list them\n'
        self.answer(*words, err=err, code=1)

    def lists(self, path: str, *items: dict[str, Any]) -> None:
        """Answer a list of what is at *path*."""
        page = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}
        self.answer("get", f"--raw={path}?", out=json.dumps(page))

    def asked(self) -> list[list[str]]:
        """Return all command lines, in order."""
        return [words for words, _ in self._log()]

    def given(self) -> list[str]:
        """Return what came on standard input, in order."""
        return [text for _, text in self._log() if text]

    def _log(self) -> list[Any]:
        path = self.folder / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _write(self) -> None:
        new = self.folder / "answers.new"
        new.write_text(json.dumps(self._answers))
        new.replace(self.folder / "answers")


def engine(name: str = "enforcer-a", node: str = "node-1", restarts: int = 0) -> dict[str, Any]:
    """Make the pod of an engine, as the DaemonSet does."""
    labels = {"app.kubernetes.io/name": "enforcer", "app.kubernetes.io/component": "node"}
    meta = {"name": name, "namespace": "enforcer", "uid": f"uid-{name}", "labels": labels}
    return {
        "metadata": meta,
        "spec": {
            "nodeName": node,
            "containers": [
                {"name": "engine", "command": ["enforcer", "start"]},
                {"name": "agent", "command": ["enforcer", "kube"]},
            ],
        },
        "status": {
            "containerStatuses": [
                {"name": "agent", "state": {"waiting": {}}, "restartCount": 7},
                {"name": "engine", "state": {"running": {}}, "restartCount": restarts},
            ]
        },
    }


def policy(name: str = "vault", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    """Make a policy as the server has it."""
    rule = {
        "name": "no-writes",
        "file": "write",
        "match": {"path": "/srv/vault/**"},
        "action": "deny",
    }
    return {
        "apiVersion": "enforcer.dev/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": name, "namespace": namespace, "generation": 1, "uid": "u"},
        "spec": {"rules": [rule], **spec},
    }
