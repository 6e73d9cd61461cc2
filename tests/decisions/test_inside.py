# SPDX-License-Identifier: MIT
"""
Files by the names that containers have for them, on every build: what a rule permits in a container, what one that
refuses leaves out, and what it refuses wherever the container shows it.
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
NATIVE = "/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/7"
ROOTS = [
    *(TASK, PODMAN, TASK.replace("/run/", "/run/k3s/"), NATIVE),
    *("/var/lib/docker/overlay2/0123/merged", "/var/lib/docker/rootfs/overlayfs/0123"),
    *("/var/lib/containers/storage/vfs/dir/0123", "/var/lib/machines/db"),
    *("/var/lib/lxc/db/rootfs", ""),
]
REFUSED = "{exec: {}, match: {path: [/bin/app, '/opt/*/run', /srv/**]}, action: deny}"
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
@pytest.mark.parametrize("root", ROOTS)
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


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("path", ["/bin/app", "/opt/a/run", "/srv/deep/below"])
def test_what_is_refused_is_found_by_its_name_in_the_container(builds, root, path) -> None:
    """A container changes its own names for a file, not the host's; another container has its own rules."""
    assert _refused(builds, root + path, rule=REFUSED, default="")
    assert not _refused(builds, root + path, rule=REFUSED, default="", who={"cgroup": "/"})


@pytest.mark.parametrize(
    "path", [f"{TASK}/bin/other", f"{TASK}/data/bin/app", f"{TASK}/srv", f"{PODMAN[:-7]}/bin/app"]
)
def test_nothing_else_is_refused(builds, path) -> None:
    assert not _refused(builds, path, rule=REFUSED, default="")


@pytest.mark.parametrize("root", ROOTS)
def test_the_names_that_are_refused_stay_in_place(builds, root) -> None:
    """They and the directories above, in the container alone."""
    for path in ("/bin/app", "/bin", "/opt", "/opt/a/run"):
        assert _refused(builds, root + path, rule=REFUSED, default="", do="guard"), path
    for path in ("/data", "/bin/other"):
        assert not _refused(builds, root + path, rule=REFUSED, default="", do="guard"), path
    for path in (root, root.rpartition("/")[0]) if root else ():
        assert not _refused(builds, path, rule=REFUSED, default="", do="guard"), path
