#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
render-manifests.py --write packaging/kubernetes/enforcer.yaml    renew the plain manifests from the chart.

Without ``--write`` they are printed. They are what the chart makes with its values as they are, in a namespace
that they bring along. HELM names helm, which scripts/kube/fetch-helm.py gets.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "packaging/kubernetes/chart"
NAMESPACE = "enforcer"
HEAD = f"""\
# SPDX-License-Identifier: MIT
# Made by: python scripts/kube/render-manifests.py --write packaging/kubernetes/enforcer.yaml
# The definitions are beside it, in crds/.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    # The engine has root's rights on the node.
    pod-security.kubernetes.io/enforce: privileged
"""


def helm() -> str | None:
    """Return the program, or None if there is none."""
    own = ROOT / "build/helm/helm"
    return os.environ.get("HELM") or (str(own) if own.exists() else shutil.which("helm"))


def render(program: str, *words: str) -> str:
    """Return what the chart makes with further *words* for helm."""
    done = subprocess.run(
        [program, "template", "enforcer", CHART, f"--namespace={NAMESPACE}", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def manifests(program: str) -> str:
    """Return the text of the plain manifests."""
    # Nobody manages them but who applies them.
    return HEAD + render(program).replace("managed-by: Helm", "managed-by: kubectl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    program = helm()
    if program is None:
        sys.exit(
            "render-manifests: there is no helm: scripts/kube/fetch-helm.py build/helm/helm gets it"
        )
    text = manifests(program)
    if options.write:
        options.write.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
