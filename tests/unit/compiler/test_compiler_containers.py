# SPDX-License-Identifier: MIT
"""Which cgroups are a container's: the image, and the identity of records, say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.compiler import BareHost, compile_policies, layout, verify
from enforcer.compiler.atoms import Atoms
from enforcer.compiler.containers import CONTAINER_FORMS, inside
from enforcer.compiler.paths import Names
from enforcer.compiler.patterns import Exact
from enforcer.errors import EnforcerBug
from enforcer.identity.container import container_of
from enforcer.policy.model.policy import Condition, Text, TextKind
from enforcer.policy.model.workloads import CONTAINER, POD, Workload
from enforcer.policy.store import load_text
from enforcer.span import Span
from enforcer.workbench.explain.texts import accepts

HEX = "0123456789abcdef" * 4
UID = "0a1b2c3d-1111-2222-3333-444455556666"

CONTAINERS = [
    f"/system.slice/docker-{HEX}.scope",
    f"/docker/{HEX}",
    f"/docker/{HEX}/below",
    f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{HEX}.scope",
    f"/kubepods/burstable/pod{UID}/{HEX}",
    f"/kubepods/pod{HEX[:32]}/{HEX}",
    f"/system.slice:{UID}:cri-containerd:{HEX}",
    f"/x/nerdctl-{HEX}.scope",
    f"/kubepods.slice/crio-{HEX}.scope/container",
    f"/machine.slice/libpod-{HEX}.scope",
    f"/user.slice/user-1000.slice/libpod-{HEX}.scope",
    f"/x.services/y.scope.d/.servic/docker-{HEX}.scope",
    "/lxc.payload.web",
    "/lxc/web/init.scope",
    "/machine.slice/systemd-nspawn@web.service",
    "/machine.slice/machine-web.scope",
]
OTHERS = [
    "/",
    "/system.slice/docker.service",
    f"/system.slice/docker-{HEX[1:]}.scope",
    f"/system.slice/docker-{HEX}a.scope",
    f"/system.slice/docker-{HEX.upper()}.scope",
    f"/x-docker/{HEX}",
    f"/machine.slice/libpod-conmon-{HEX}.scope",
    f"/system.slice/crio-conmon-{HEX}.scope",
    "/lxc.monitor.web",
    "/machine.slice/machine-.scope",
    # Whom a unit is delegated to gives names below it.
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{HEX}.scope",
    f"/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{HEX}.scope",
    f"/user.slice/user-1000.slice/session-3.scope/docker/{HEX}",
    f"/system.slice/app.service/kubepods/pod{UID}/{HEX}",
    f"/system.slice/app.service/x:{UID}:cri-containerd:{HEX}",
    "/system.slice/app.service/lxc/web",
    "/user.slice/user@1000.service/machine.slice/systemd-nspawn@web.service",
]


@pytest.mark.parametrize("cgroup", CONTAINERS)
def test_containers_are_containers(cgroup):
    """The compiled forms accept what the table of runtimes names."""
    assert container_of(cgroup) is not None
    assert any(accepts(form, cgroup.encode()) for form in CONTAINER_FORMS)


@pytest.mark.parametrize("cgroup", OTHERS)
def test_others_are_none(cgroup):
    """Nearly is not enough, nor are the helpers that runtimes keep beside their containers."""
    assert container_of(cgroup) is None
    assert not any(accepts(form, cgroup.encode()) for form in CONTAINER_FORMS)


def test_everything_of_a_kubelet_is_taken_for_a_container():
    """Whatever form a runtime gives it: what is not known there is unknown."""
    for cgroup in ("/kubepods/x/kata_overhead", "/kubepods.slice", "/k/kubepods.slice/y"):
        assert any(accepts(form, cgroup.encode()) for form in CONTAINER_FORMS)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/bin/app", True),
        (b"/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs/bin/app", True),
        (b"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs/bin/app", True),
        (b"/var/lib/docker/overlay2/x/merged/bin/app", True),
        (b"/var/lib/docker/rootfs/overlayfs/x/bin/app", True),
        (b"/var/lib/containers/storage/overlay/x/merged/bin/app", True),
        (b"/var/lib/containers/storage/vfs/dir/x/bin/app", True),
        (
            b"/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/3/bin/app",
            True,
        ),
        (b"/var/lib/machines/x/bin/app", True),
        (b"/var/lib/lxc/x/rootfs/bin/app", True),
        (b"/var/lib/machines/bin/app", False),
        (b"/var/lib/lxc/x/bin/app", False),
        (b"/var/lib/containers/storage/overlay/x/merged/tmp/bin/app", False),
        (b"/var/lib/containers/storage/vfs/dir/bin/app", False),
        (b"/var/lib/containers/storage/vfs/dir/x/y/bin/app", False),
        (b"/var/lib/docker/overlay2/x/y/merged/bin/app", False),
        (b"/tmp/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs/bin/app", False),
        (b"/var/lib/containers/storage/overlay/x/diff/bin/app", False),
    ],
)
def test_names_inside(path, expected):
    """An executable is found where runtimes mount containers, at the very place and no deeper."""
    forms = inside((Exact(b"/bin/app"),))

    assert expected == any(accepts(form, path) for form in forms)


POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: x}
spec:
  selector: {pod: {namespace: prod}}
  rules: [{file: read, match: {path: /etc/shadow}, action: deny}]
"""


_FIELDS = [*CONTAINER.values(), *POD.values()]
_SPAN = Span("x.yaml", 1, 1)
_words = st.sampled_from([b"a", b"b", b"a-b"])
_facts = st.dictionaries(
    st.sampled_from([field.name for field in _FIELDS]),
    st.none() | st.lists(_words, max_size=2, unique=True).map(tuple),
)
_conditions = st.builds(
    Condition,
    st.sampled_from(_FIELDS),
    st.lists(
        st.builds(Text, st.just(TextKind.EXACT), _words, st.just(_SPAN))
        | st.builds(Text, st.just(TextKind.GLOB), st.sampled_from([b"a*", b"*"]), st.just(_SPAN)),
        min_size=1,
        max_size=2,
    ).map(tuple),
    negate=st.booleans(),
    span=st.just(_SPAN),
)


def _atoms(conditions: list[Condition], *workloads: Workload) -> Atoms:
    atoms = Atoms(Names(BareHost(workloads=workloads)))
    for condition in conditions:
        atoms.terms(condition)
    return atoms


def _satisfied(atoms: Atoms, cgroup: bytes) -> set[int]:
    return {atom.number for atom in atoms.all if any(accepts(form, cgroup) for form in atom.forms)}


@given(st.lists(_conditions, min_size=1, max_size=6), _facts, _facts, _facts)
def test_what_an_image_would_say_of_a_container_that_it_does_not_know(conditions, pod, old, new):
    """What is told of it without an image, and what an image with it would say, are the same atoms."""
    above = Workload(b"/kubepods/pod" + UID.encode(), pod)
    there = (above, Workload(b"/docker/" + b"0" * 64, old))
    begun = Workload(above.cgroup + b"/" + HEX.encode(), new)
    before, after = _atoms(conditions, *there), _atoms(conditions, *there, begun)

    told = set(before.asked.of(begun.facts))

    assert len(before.all) == len(after.all)
    for cgroup in (begun.cgroup, begun.cgroup + b"/below"):
        assert _satisfied(after, cgroup) == _satisfied(before, cgroup) | told


def test_conditions_that_hold_in_the_same_containers_are_told_apart():
    """As all do where there are none: the next container may meet one of them."""
    texts = [(Text(TextKind.EXACT, name, _SPAN),) for name in (b"a", b"b")]
    asked = [Condition(CONTAINER["name"], values, span=_SPAN) for values in texts]

    atoms = _atoms([*asked, asked[0]])

    (name,) = set(atoms.asked.decided)
    assert 4 == len(atoms.all)  # where each holds, where the name is known, and what is a container
    assert {name, atoms.terms(asked[1])[0][0].atom} == set(
        atoms.asked.of({"container.name": (b"b",)})
    )
    assert {name} == set(atoms.asked.of({}))
    assert set() == set(atoms.asked.of({"container.name": None}))


def test_labels_keep_their_numbers_when_containers_come():
    """The same condition is the same label, whatever cgroups it stands for at the moment."""
    policies = load_text(POLICY, "x.yaml")
    first = compile_policies(policies, host=BareHost())
    workloads = (Workload(b"/kubepods/a", {"pod.namespace": (b"prod",)}),)
    second = compile_policies(
        policies, host=BareHost(workloads=workloads), generation=2, previous=first.labels
    )

    assert first.needs.containers
    assert first.labels == second.labels
    assert second.continues
    assert first.image != second.image


def test_an_image_that_does_not_know_containers_is_refused():
    """An image that asks for containers must say what one is."""
    image = bytearray(compile_policies(load_text(POLICY, "x.yaml"), host=BareHost()).image)
    verify(bytes(image))
    at = layout.HEAD.offset("container_atom")
    image[at : at + 4] = b"\xff" * 4
    import zlib

    crc = layout.HEAD.offset("crc")
    image[crc : crc + 4] = bytes(4)
    image[crc : crc + 4] = zlib.crc32(image).to_bytes(4, "little")

    with pytest.raises(EnforcerBug, match="what a container is"):
        verify(bytes(image))
