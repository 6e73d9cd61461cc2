# SPDX-License-Identifier: MIT
"""
Files by the names that containers have for them, on every build: what a rule permits in a container, and what one that
refuses leaves out.
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
metadata: {{name: listed}}
spec:
  {selector}
  rules: [{rule}]
  {default}
"""
PODS = "selector: {pod: {namespace: prod}}"
ALLOWED = "{exec: {}, match: {path: [/bin/app, '/opt/*/run', /srv/**]}, action: allow}"
EXCEPTED = "{exec: {}, match: {path: {notGlob: [/bin/app, '/opt/*/run', /srv/**]}}, action: deny}"
DEFAULT = "default: {exec: deny}"
TASK = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/0123/rootfs"
PODMAN = "/var/lib/containers/storage/overlay/0123/merged"
POD = {"cgroup": "/kubepods/web/main"}


def _refused(
    builds, path, *, rule=ALLOWED, default=DEFAULT, selector=PODS, who=POD, **more
) -> bool:
    text = TEXT.format(selector=selector, rule=rule, default=default)
    policies = load_text(text, "listed.yaml")
    image = checked(
        compile_policies(policies, host=BareHost(workloads=WORLD), generation=GENERATION)
    )
    case = {"as": who, "do": "exec", "path": path, **more}
    outcome = decide_by_all(builds, policies, image, live(case), access(case))
    return outcome.enforced.verb is Verb.DENY


LISTS = pytest.mark.parametrize(
    "listed", [{}, {"rule": EXCEPTED, "default": ""}], ids=["allow", "except"]
)


@LISTS
@pytest.mark.parametrize("root", [TASK, PODMAN, TASK.replace("/run/", "/run/k3s/"), ""])
@pytest.mark.parametrize("path", ["/bin/app", "/opt/a/run", "/srv/deep/below"])
def test_what_is_listed_is_found_by_its_name_in_the_container(builds, listed, root, path) -> None:
    assert not _refused(builds, root + path, **listed)


@LISTS
@pytest.mark.parametrize(
    "path",
    [
        f"{TASK}/bin/other",
        f"{TASK}/bin/app/more",
        f"{TASK}/data/bin/app",
        f"{TASK}/opt/a/b/run",
        f"{TASK}/srv",
        f"{TASK}app",
        f"/srv2{TASK}/bin/app",
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io/rootfs/bin/app",
        "/home/user/merged/bin/app",
    ],
)
def test_nothing_else_is(builds, listed, path) -> None:
    assert _refused(builds, path, **listed)


@LISTS
def test_a_name_that_only_the_process_has_is_no_permission(builds, listed) -> None:
    """The host does not show it: by its claimed name it could be anything."""
    assert _refused(builds, "/bin/app", flags=["offhost"], **listed)


@LISTS
def test_rules_about_the_host_know_the_host_s_names_alone(builds, listed) -> None:
    assert _refused(builds, f"{TASK}/bin/app", selector="", who={"cgroup": "/"}, **listed)
    assert not _refused(builds, "/bin/app", selector="", who={"cgroup": "/"}, **listed)


def test_a_step_of_a_runtime_is_no_container_s(builds) -> None:
    """Whatever cgroup it has entered; the control has executed something there."""
    runtime = {"cgroup": "/kubepods/web/main", "flags": ["runtime"]}

    assert _refused(builds, "/bin/other")
    assert not _refused(builds, "/bin/other", who=runtime)
    assert not _refused(builds, "/bin/other", who={**runtime, "cgroup": "/kubepods/nobody-knows"})
    assert _refused(builds, "/bin/other", who={**runtime, "cgroup": "unknown"})
    assert _refused(builds, "/bin/other", who=runtime, selector="")
