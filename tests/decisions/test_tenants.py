# SPDX-License-Identifier: MIT
"""
Policies of one namespace: about their own pods and about nothing that may be another's, on every build.
"""

from __future__ import annotations

import pytest
from builds import GENERATION, checked, decide_by_all
from test_tables import WORLD, access, live

from enforcer.compiler import BareHost, compile_policies
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_text

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: no-reading, {namespace}}}
spec:
  {selector}
  rules: [{{name: r, file: read, match: {{path: /secret}}, action: deny}}]
  default: {{exec: deny}}
"""
STRANGER = "/kubepods/nobody-knows"
OUTSIDE = {"cgroup": "/system.slice/ssh.service"}


def _load(namespace="namespace: prod", selector=""):
    selected = f"selector: {{{selector}}}" if selector else ""
    text = TEXT.format(namespace=namespace, selector=selected)
    policies = load_text(text, "tenant.yaml")
    image = compile_policies(policies, host=BareHost(workloads=WORLD), generation=GENERATION)
    return policies, checked(image)


def _refused(builds, loaded, cgroup, **asked) -> bool:
    policies, image = loaded
    case = {"as": {"cgroup": cgroup}, **(asked or {"do": "read", "path": "/secret"})}
    outcome = decide_by_all(builds, policies, image, live(case), access(case))
    return outcome.enforced.verb is Verb.DENY


EXEC = {"do": "exec", "path": "/bin/sh"}


@pytest.mark.parametrize("asked", [{}, EXEC], ids=["rule", "default"])
@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("/kubepods/web", True),
        ("/kubepods/web/main", True),
        ("/kubepods/web/main/init.scope", True),
        ("/kubepods/web/not-identified-yet", True),  # but its pod is
        ("/kubepods/bare/main", True),
        ("/kubepods/dev/main", False),
        ("/kubepods/system", False),
        ("/lxc/plain", False),
        (STRANGER, False),
        ("/kubepods", False),
        ("/system.slice/ssh.service", False),
        ("/", False),
        ("unknown", False),
    ],
)
def test_whom_it_is_about(builds, cgroup, expected, asked) -> None:
    """Its own pods, and nothing of which that is not known."""
    assert expected is _refused(builds, _load(), cgroup, **asked)


def test_what_is_for_the_whole_host_is_about_strangers(builds) -> None:
    """The control: the same condition as a selector refuses where it is not known."""
    loaded = _load("", "pod: {namespace: prod}")

    assert _refused(builds, loaded, STRANGER)
    assert _refused(builds, loaded, "unknown")
    assert not _refused(builds, loaded, "/kubepods/dev/main")


def test_a_selector_of_its_own_narrows_it(builds) -> None:
    """Also one that asks for another namespace, which is then about nobody."""
    labels = _load(selector="pod: {labels: {app: web}}")

    assert _refused(builds, labels, "/kubepods/web/main")
    assert not _refused(builds, labels, "/kubepods/canary/main")
    assert _refused(
        builds, labels, "/kubepods/bare/main"
    )  # whose labels nobody knows: its own doubt
    assert not _refused(builds, labels, "/kubepods/dev/main")
    assert not _refused(builds, labels, STRANGER)
    other = _load(selector="pod: {namespace: dev}")
    for workload in WORLD:
        assert not _refused(builds, other, workload.cgroup.decode())
