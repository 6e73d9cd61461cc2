# SPDX-License-Identifier: MIT
"""Containers and pods as subjects: whom a policy meets, when they come and go, what records say."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import compiled
import drifting
import linking
import pods
import pytest
from daemon import told, until
from engine import Engine, attempt, running
from patience import scaled
from pods import Container, Pod, built, give_labels

from enforcer.sinks.terminal import terminal_line

WORK = Path("/opt/enforcer-test-containers")
NO = "EACCES"
RESULTS = "results.json"

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: prod}
spec:
  message: "{action} in {container_name} ({image}) of pod {pod_name} (namespace {pod_namespace})"
  selector: {pod: {namespace: prod}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: {deny: {errno: EACCES}}}
    - {name: lenient, file: read, match: {path: /data/lenient}, action: {deny: {errno: EACCES}}, onError: allow}
    - name: own
      file: read
      match: {path: /data/own, notProcess: {binary: /bin/app}}
      action: {deny: {errno: EACCES}}
    - {name: no-other, exec: {}, match: {path: /bin/other, process: {binary: /bin/other}}, action: {deny: {errno: EACCES}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: labels}
spec:
  selector:
    pod:
      labels:
        matchLabels: {app: web}
        matchExpressions: [{key: canary, operator: DoesNotExist}]
  rules:
    - {file: read, match: {path: /data/label}, action: {deny: {errno: EACCES}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  rules:
    - name: main
      file: read
      match: {path: /data/main, process: {container: {name: main, runtime: [containerd, docker]}}}
      action: {deny: {errno: EACCES}}
    - name: image
      file: read
      match: {path: /data/image, process: {container: {image: {notGlob: "registry.example/*"}}}}
      action: {deny: {errno: EACCES}}
---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: {name: armor, namespace: dev}
spec:
  selector: {matchLabels: {tier: back}}
  file: {matchPaths: [{path: /data/secret}]}
  action: Block
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: own, namespace: prod}
spec:
  rules: [{name: tenant, file: read, match: {path: /data/tenant}, action: {deny: {errno: EACCES}}}]
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: own, namespace: hostile}
spec:
  rules: [{name: everything, file: any, match: {path: /**}, action: {deny: {errno: EACCES}}}]
  default: {exec: deny, network: deny, process: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: closed, namespace: closed}
spec:
  rules:
    - {name: app, exec: {}, match: {path: /bin/app}, action: allow}
    - name: free
      file: read
      match: {path: [/data/free, /opt/enforcer-test-containers/step]}
      action: {deny: {errno: EACCES}}
  default: {exec: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: everybody}
spec:
  rules:
    - {name: seen, file: read, match: {path: /opt/enforcer-test-containers/seen}, action: log,
       message: "pod {pod_name} (namespace {pod_namespace})"}
"""

POLICY += drifting.POLICY + linking.POLICY

PROD = Pod(0xA, "web-1", "prod")
DEV = Pod(0xB, "web-2", "dev")
VOLUME = WORK / "volume"


def containers() -> dict[str, Container]:
    program = WORK / "contained"
    return {
        "prod": Container("containerd", "a", program, PROD),
        "dev": Container("cri-o", "b", program, DEV, name="side", labels={}),
        "dev-sandbox": Container(
            "cri-o", "c", program, DEV, name="POD", labels={"app": "web", "tier": "back"}
        ),
        "docker": Container("docker", "d", program, image="other.example/db:2"),
        "volume": Container("containerd", "7a", program, PROD, volume=VOLUME),
        "side": Container("containerd", "8a", program, PROD, "side", volume=VOLUME, place="/srv"),
    }


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The program that containers run."""
    WORK.mkdir()
    (WORK / "seen").write_text("seen")
    (WORK / "step").write_text("step")
    yield built(WORK)
    shutil.rmtree(WORK)


@pytest.fixture(scope="module")
def before(program: Path) -> Iterator[dict[str, Container]]:
    """Containers that run before the daemon does."""
    found = containers()
    give_labels(PROD, {"app": "web", "canary": "no"})
    with pods.running(*found.values()):
        yield found
    shutil.rmtree(pods.OBJECTS)


@pytest.fixture(scope="module")
def without(before: dict[str, Container]) -> dict[str, str]:
    """How everything ends without a policy."""
    ends = {
        f"{who} {name}": container.open(name)
        for who, container in before.items()
        for name in pods.FILES
    }
    ends |= {f"{case} elsewhere": _elsewhere(before, case) for case in CASES}
    ends["prod run"] = before["prod"].ask("run", "/bin/other")
    return ends


@pytest.fixture(scope="module")
def unhindered(program: Path) -> Iterator[dict[str, tuple[int, bool, str]]]:
    """What comes of each attempt to run what no image brought, without a policy."""
    drifting.prepare()
    yield drifting.results("control", program)
    drifting.clear()


@pytest.fixture(scope="module")
def linked(program: Path) -> Iterator[dict[str, linking.Linked]]:
    """Containers with links, which run before the daemon does; without a policy they may do everything."""
    found = linking.containers(program)
    with pods.running(*found.values()):
        assert {"ok"} == set(linking.results(found).values())
        yield found


@pytest.fixture(scope="module")
def on(
    before: dict[str, Container], without: dict[str, str], unhindered, linked, tmp_path_factory
) -> Iterator[Engine]:
    """The engine with all policies."""
    assert {"ok"} == set(without.values())
    assert {} == {name: end for name, end in unhindered.items() if end[:2] != (0, True)}
    folder = tmp_path_factory.mktemp("engine")
    with running(POLICY, folder, "--results", str(folder / RESULTS)) as engine:
        yield engine


CASES = {
    "prod secret": NO,
    "dev secret": "EPERM",  # KubeArmor's, by the labels of the sandbox
    "dev-sandbox secret": "EPERM",
    "docker secret": "ok",
    "prod label": "ok",  # it has the label canary
    "dev label": NO,
    "docker label": "ok",  # it is in no pod
    "prod main": NO,
    "dev main": "ok",
    "docker main": NO,
    "prod image": "ok",
    "docker image": NO,
    "prod own": "ok",
    "prod lenient": NO,
    "dev lenient": "ok",
    "prod free": "ok",
    "prod tenant": NO,
    "dev tenant": "ok",
    "docker tenant": "ok",
    "volume secret": NO,
    "volume main": NO,
    "volume own": "ok",
    "volume free": "ok",
    "volume tenant": NO,
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_meant(on, before, case):
    """A container that is known is met, by any of what selects it, and no other is."""
    who, name = case.split()

    assert CASES[case] == before[who].open(name)


@pytest.mark.parametrize("case", CASES)
def test_what_a_container_mounts_elsewhere_is_the_same_file(on, before, case):
    """Another name in the container changes nothing."""
    assert CASES[case] == _elsewhere(before, case)


def test_a_volume_has_the_names_that_each_container_s_runtime_gave_it(on, before):
    """Another container that is shown the same directory elsewhere has other rules about it, however it gets there."""
    side = before["side"]

    assert [NO, "ok"] == [side.open("secret"), side.ask("open", "/srv/secret")]
    assert "ok" == side.ask("elsewhere", "/srv/secret")


def test_a_denial_in_a_volume_is_explained(on, before):
    """The record has the host's name, and the explanation the one that decided."""
    volume = before["volume"]
    volume.ask("elsewhere", "/data/secret", NO)
    event = on.wait_for(lambda e: e.get("rule") == "secret" and e["container"]["id"] == volume.id)
    assert f"{VOLUME}/secret" == event["object"]["path"]

    explained = told("explain", event["id"])

    assert "/data/secret" in explained
    assert "no longer matches" not in explained


def test_a_volume_with_more_names_than_are_looked_up_is_refused_in_doubt(on, before, program):
    """Any of the rest could be the one that a rule refuses."""
    assert "ok" == before["volume"].open("free")
    many = Container(
        "containerd", "9b", program, Pod(0x9B, "many", "prod"), volume=WORK / "many", also=16
    )
    with pods.running(many):
        assert many.becomes(NO, "lenient")
        assert NO == many.open("free")


@pytest.mark.parametrize(("uid", "name"), [(0x9A, "late"), (0x9C, "late-words")])
def test_a_volume_of_a_container_that_begins_later_is_known(on, program, uid, name):
    """
    The kernel side is told of what its runtime shows in it before it is told who it is.

    The second one's path has whole words of 8 bytes, by which it is compared; of the first one's a part is left.
    """
    volume = WORK / name
    late = Container("containerd", f"{uid:x}", program, Pod(uid, "late", "prod"), volume=volume)
    assert (name == "late-words") == (len(bytes(volume)) % 8 == 0)
    with pods.running(late):
        assert late.becomes(NO, "lenient")
        assert NO == late.ask("elsewhere", "/data/secret")
        assert "ok" == late.ask("elsewhere", "/data/free")


def _elsewhere(containers: dict[str, Container], case: str) -> str:
    who, name = case.split()
    return containers[who].ask("elsewhere", f"/data/{name}")


def test_the_host_is_free(on, before):
    """The same files, by their names on the host, for a process of the host."""
    for name in ("secret", "label", "main"):
        assert 0 == attempt("/usr/bin/cat", str(before["prod"].root / "data" / name)).returncode


def test_executables_are_named_as_the_container_sees_them(on, before):
    """What is allowed /bin/app is not allowed another program of the container."""
    prod = before["prod"]
    assert "ok" == prod.open("own")
    prod.ask("become", "/bin/other", expected="ready")
    try:
        assert NO == prod.open("own")
        assert NO == prod.ask("run", "/bin/other")
    finally:
        prod.ask("become", "/bin/app", expected="ready")
    assert "ok" == prod.open("own")
    assert "ok" == prod.ask("run", "/bin/other")


def test_a_container_cannot_leave_its_name(on, before):
    """What it makes below its own cgroup is still it, whatever that looks like."""
    prod = before["prod"]
    assert prod.process is not None
    inner = prod.cgroup / f"docker-{'9' * 64}.scope"
    inner.mkdir()
    members = (prod.cgroup / "cgroup.procs").read_text().split()
    for pid in members:
        (inner / "cgroup.procs").write_text(pid)
    try:
        assert NO == prod.open("secret")
        assert "ok" == prod.open("image")
    finally:
        for pid in members:
            (prod.cgroup / "cgroup.procs").write_text(pid)


def test_records_name_the_pod(on, before):
    """Fields and message say where it was."""
    assert NO == before["prod"].open("secret")

    event = on.wait_for(lambda e: e.get("rule") == "secret" and e["container"]["id"] == "a" * 64)

    assert {"name": "web-1", "namespace": "prod", "uid": PROD.uid} == event["pod"]
    assert {
        "runtime": "containerd",
        "id": "a" * 64,
        "name": "main",
        "image": "registry.example/app:1",
        "root": None,  # no bundle of a runtime is there
    } == event["container"]
    assert "deny in main (registry.example/app:1) of pod web-1 (namespace prod)" == event["message"]
    assert event["onError"] is False


def test_first_denials_are_told_by_policy_and_pod(on, before):
    """In the file for the agent of a cluster, which is written soon after."""
    for _ in range(3):
        assert NO == before["prod"].open("tenant")
    path = on.log.with_name(RESULTS)

    def found():
        denials = json.loads(path.read_text())["firstDenials"]
        return [each for each in denials if each["policy"] == "prod/own" and each["count"] >= 3]

    (denial,) = until(found)

    assert ("tenant", "deny", "file.read") == tuple(
        denial[key] for key in ("rule", "action", "operation")
    )
    assert (PROD.uid, "web-1", "prod") == tuple(
        denial[key] for key in ("podUid", "podName", "podNamespace")
    )
    assert "/data" not in path.read_text()


LOOK = """
mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mount -t tmpfs none /var/log &&
mount --bind /dev/null /etc/passwd && ! ls /run/containerd 2>/dev/null && exec {python} -c '
from enforcer.identity.users import Users
from enforcer.identity.workloads import Workloads
for each in Workloads().look():
    print(each.facts.get("container.name"), each.facts.get("pod.namespace"))
print(Users().name(0))'
"""


def test_the_host_s_containers_are_known_among_other_mounts(before):
    """A daemon in a container sees none of the runtime's files; the first process shows them."""
    look = LOOK.format(python=sys.executable)

    found = attempt("/usr/bin/unshare", "--mount", "/bin/sh", "-c", look)

    assert 0 == found.returncode, found.stderr
    *workloads, user = found.stdout.decode().splitlines()
    assert "(b'main',) (b'prod',)" in workloads
    assert "(b'side',) (b'dev',)" in workloads
    assert "root" == user


def test_records_outside_of_pods_have_none(on):
    """Placeholders become a dash."""
    assert 0 == attempt("/usr/bin/cat", str(WORK / "seen")).returncode

    assert "pod - (namespace -)" == on.wait_for(lambda e: e.get("rule") == "seen")["message"]


def test_a_pod_that_begins_is_met_before_its_runtime_says_what_it_is(on, program):
    """
    A container that nobody has identified is none that policies need not be about.

    Rules that refuse do so by onError, unless they say otherwise. Once it is known that it is of
    another namespace, it is free.
    """
    pod = Pod(0xC, "late", "stage")
    late = Container("containerd", "e", program, pod, name="late")
    try:
        late.start()
        assert NO == late.open("secret")
        assert "ok" == late.open("lenient")
        assert NO == late.open("main")
        # No policy of a namespace is about it: it may be another's.
        assert "ok" == late.open("free")
        assert "ok" == late.open("tenant")
        event = on.wait_for(lambda e: e.get("rule") == "secret" and e["container"]["id"] == late.id)
        assert event["onError"] is True
        assert event["pod"]["name"] is None

        pod.announce()
        assert late.becomes("ok", "secret")
        assert NO == late.open("main")  # its pod is known, it itself is not

        late.describe()
        assert late.becomes("ok", "main")
        assert NO == late.open("label")  # containerd keeps no labels
        give_labels(pod, {"app": "api"})
        assert late.becomes("ok", "label")
    finally:
        late.remove()
        pod.remove()


def test_a_pod_that_begins_is_met_when_it_is_known(on, program):
    """One of the selected namespace, with everything in place, is refused what the policy refuses."""
    pod = Pod(0xD, "web-9", "prod")
    new = Container("cri-o", "f", program, pod, name="side")
    with pods.running(new):
        assert NO == new.open("secret")
        assert new.becomes(NO, "lenient")  # not by onError: it is known
        event = on.wait_for(lambda e: e.get("rule") == "lenient" and e["pod"]["name"] == "web-9")
        assert event["onError"] is False
        assert "ok" == new.open("free")


def test_a_hostile_tenant_has_only_its_own_pods(on, before, program):
    """What it refuses to everybody is refused there, once the pod is known, and nowhere else."""
    pod = Pod(0xE, "web-1", "hostile")
    theirs = Container("containerd", "7", program, pod)
    try:
        theirs.start()
        assert "ok" == theirs.open("free")

        pod.announce()
        assert theirs.becomes(NO, "free")

        event = on.wait_for(lambda e: e.get("rule") == "everything")
        assert ("hostile/own", "hostile") == (event["policy"], event["pod"]["namespace"])
        assert "ok" == before["prod"].open("free")
        assert "ok" == before["prod"].ask("run", "/bin/app")
        assert "ok" == before["docker"].open("free")
        assert 0 == attempt("/usr/bin/cat", str(before["prod"].root / "data/tenant")).returncode
    finally:
        theirs.remove()
        pod.remove()


@pytest.fixture(scope="module")
def closed(on, program) -> Iterator[Container]:
    """A container of a namespace that may run one program only, and is known."""
    pod = Pod(0xF, "web-1", "closed")
    container = Container("containerd", "8", program, pod)
    with pods.running(container):
        assert container.becomes(NO, "free")
        yield container


def test_what_a_runtime_does_in_the_cgroup_is_not_the_container_s(on, closed, program):
    """Until its first program; the control is a process that was executed there."""
    assert "EPERM" == closed.ask("run", "/bin/other")
    with pods.runtime_of(program) as runtime:
        assert "ok" == pods.ask(runtime, "cgroup", closed.cgroup / "cgroup.procs")
        for _ in range(2):
            assert "ok" == pods.ask(runtime, "open", WORK / "step")
            assert "ok" == pods.ask(runtime, "open", WORK / "seen")
            pods.ask(runtime, "copy", ".", expected="ready")
        assert "ok" == pods.ask(runtime, "enter", closed.root)
        assert "ok" == pods.ask(runtime, "open", "/data/free")
        assert "EPERM" == pods.ask(runtime, "run", "/bin/other")
        assert "ok" == pods.ask(runtime, "open", "/data/free")
        pods.ask(runtime, "become", "/bin/app", expected="ready")
        assert NO == pods.ask(runtime, "open", "/data/free")
        assert "EPERM" == pods.ask(runtime, "become", "/bin/other")

    event = on.wait_for(lambda e: e.get("rule") == "seen" and "runtime" in e["process"]["flags"])
    assert event["container"]["id"] == closed.id


def test_an_attempt_ends_the_steps_of_a_runtime(on, closed, program):
    """A program that is refused was the container's, and so is all that follows."""
    with pods.runtime_of(program) as runtime:
        assert "ok" == pods.ask(runtime, "cgroup", closed.cgroup / "cgroup.procs")
        assert "ok" == pods.ask(runtime, "enter", closed.root)
        assert "ok" == pods.ask(runtime, "open", "/data/free")
        assert "EPERM" == pods.ask(runtime, "become", "/bin/other")
        assert NO == pods.ask(runtime, "open", "/data/free")


def test_a_program_of_the_host_that_is_run_in_the_cgroup_is_the_container_s(on, closed, program):
    """A runtime runs itself there, and nothing else."""
    with pods.runtime_of(program) as runtime:
        assert "ok" == pods.ask(runtime, "cgroup", closed.cgroup / "cgroup.procs")
        assert "EPERM" == pods.ask(runtime, "become", "/bin/true")
        assert NO == pods.ask(runtime, "open", WORK / "step")
    with pods.runtime_of(program) as runtime:
        assert "ok" == pods.ask(runtime, "cgroup", closed.cgroup / "cgroup.procs")
        assert "EPERM" == pods.ask(runtime, "become", program)  # its own file, too
        assert NO == pods.ask(runtime, "open", WORK / "step")


def test_a_restored_checkpoint_is_the_container_s(on, closed):
    """Its processes never execute anything in there: they get their program by prctl(2)."""
    mapped = WORK / "mm-map"
    compiled.place("mm-map", mapped)
    ends = {}
    for where in ("host", "container"):
        with subprocess.Popen(
            [mapped, "/bin/true", WORK / "step"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if where == "container":
                (closed.cgroup / "cgroup.procs").write_text(str(process.pid))
            process.stdin.write("\n")
            process.stdin.close()
            ends[where] = process.wait(scaled(20))
    assert {"host": 0, "container": errno.EACCES} == ends


# ---- Links inside the image ---------------------------------------------------------------------


def test_links_are_followed_in_the_container_that_has_them(on, linked):
    """What the policy calls /bin/bash is busybox there, and in another container itself."""
    assert {
        "linked": {"shell", "busybox", "secret", "real-secret"},
        "plain": {"shell", "secret"},
        "changed": {"shell", "busybox", "other", "secret", "real-secret"},
        # A container makes links: none lifts what a list of programs refuses.
        "listed": {"shell", "busybox", "other"},
    } == {
        who: {name for name, deed in linking.DEEDS.items() if container.ask(*deed) == NO}
        for who, container in linked.items()
    }


def test_records_have_the_container_s_name_of_what_a_link_leads_to(on, linked):
    """First; beside it the host's, and the rule."""
    one = linked["linked"]
    assert NO == one.ask(*linking.DEEDS["shell"])

    event = on.wait_for(lambda e: e.get("rule") == "no-bash" and e["container"]["id"] == one.id)

    assert str(one.root / "bin/busybox") == event["object"]["path"]
    assert "exec /bin/busybox in main " in terminal_line(event)
    assert event["onError"] is False


def test_the_host_may_run_what_a_link_leads_to(on, linked):
    """It is refused in the container, and not the file."""
    assert 0 == attempt(str(linked["linked"].root / "bin/busybox"), "true").returncode


def test_what_a_link_leads_to_keeps_its_name(on, linked):
    """Else it would run by another; the control is a container where no link leads there."""
    assert NO == linked["linked"].ask("move", "/bin/busybox")
    assert "ok" == linked["plain"].ask("move", "/bin/busybox")
    assert "ok" == linked["plain"].ask("run", "/bin/busybox.moved")


def test_a_link_that_is_made_anew_is_followed_and_the_old_target_refused(on, linked):
    """A container cannot shed a rule by another link."""
    one = linked["linked"]
    assert "ok" == one.ask(*linking.DEEDS["other"])
    assert "ok" == one.ask("point", "/bin/bash")
    assert NO == one.ask(*linking.DEEDS["busybox"])

    until(lambda: one.ask(*linking.DEEDS["other"]) == NO)

    assert NO == one.ask(*linking.DEEDS["busybox"])
    assert NO == one.ask(*linking.DEEDS["shell"])
    assert "ok" == one.ask(*linking.DEEDS["app"])


def test_links_of_a_container_that_begins_later_are_followed(on, program):
    """As soon as it is known."""
    late = linking.Linked("containerd", "e", program, Pod(0x2F, "links-late", "links"))
    with pods.running(late):
        until(lambda: late.ask(*linking.DEEDS["busybox"]) == NO)
        assert "ok" == late.ask(*linking.DEEDS["other"])


# ---- What the image did not bring -------------------------------------------------------------


@pytest.fixture(scope="module")
def drifted(on, program) -> dict[str, dict[str, tuple[int, bool, str]]]:
    """What comes of the attempts in containers with an image."""
    return {
        kind: drifting.results(kind, program) for kind in ("drift", "drift-metacopy", "volumes")
    }


@pytest.mark.parametrize("name", drifting.BROUGHT)
def test_what_the_image_brought_runs(drifted, name):
    """Programs, scripts and libraries, by whatever way, in each container."""
    assert {(0, True)} == {ends[name][:2] for ends in drifted.values()}


@pytest.mark.parametrize("name", drifting.MADE)
def test_what_was_made_in_a_container_does_not_run(drifted, name):
    """No mark is left, and the mark is there without the policy."""
    assert {False} == {ends[name][1] for ends in drifted.values()}
    assert 0 not in {ends[name][0] for ends in drifted.values()}


@pytest.mark.parametrize("name", drifting.METADATA)
def test_metadata_are_no_content_where_the_overlay_tells_them_apart(drifted, name):
    """With metacopy the file stays the image's; without, it is copied up whole and counts as written."""
    assert (0, True) == drifted["drift-metacopy"][name][:2]
    assert (errno.EDOM, False) == drifted["drift"][name][:2]


@pytest.mark.parametrize("name", drifting.OF_VOLUMES)
def test_volumes_are_a_choice(drifted, name):
    """They are drift, unless the rule says that they are trusted."""
    assert {(errno.EDOM, False)} == {
        drifted[kind][name][:2] for kind in ("drift", "drift-metacopy")
    }
    assert (0, True) == drifted["volumes"][name][:2]


@pytest.mark.parametrize("name", drifting.PUT_IN)
def test_what_a_runtime_puts_in_runs_what_the_image_brought(drifted, name):
    """In the container's cgroup, and in one below it."""
    assert {(0, True)} == {ends[name][:2] for ends in drifted.values()}


@pytest.mark.parametrize("name", drifting.LAID_OVER)
def test_a_root_that_a_container_makes_is_no_image_to_what_a_runtime_puts_in(drifted, name, on):
    """Wherever below the container's cgroup. It cannot be told, so volumes that are trusted do not matter."""
    assert {(errno.EDOM, False)} == {ends[name][:2] for ends in drifted.values()}
    event = on.wait_for(
        lambda e: e["container"]["id"] == "1" * 64 and e["object"].get("unknown") == ["drift"]
    )
    assert event["onError"] is True


def test_files_and_processes_are_asked_about_as_well(drifted, on):
    """Reading what was written, reading what the image brought, and reading by a program of a volume."""
    ends = drifted["volumes"]
    assert (errno.EDOM, False) == ends["read_again"][:2]
    assert (errno.EDOM, False) == ends["read_brought"][:2]
    assert (errno.ECHILD, False) == ends["read_by_volume"][:2]
    assert (0, True) == ends["read_by_image"][:2]
    event = on.wait_for(lambda e: e.get("rule") == "by-volume")
    assert {"image", "drift_volume"} <= set(event["process"]["flags"])


def test_records_say_why(drifted, on):
    """A file that was written, one in memory, one of a volume, one of a user's own file system."""
    wanted = {"written", "memory", "volume", "foreign"}
    for kind in wanted:
        event = on.wait_for(lambda e, kind=kind: e["object"].get("drift") == [kind])
        assert (event["onError"], event["object"]["unknown"]) == (False, [])


def test_without_an_overlay_it_cannot_be_told(on, program):
    """A container on a plain folder: unknown, which is what onError decides. It does not even begin."""
    with drifting.container("drift-native", program) as native:
        assert native.process.wait(600)
        # While its cgroup is there, by which the record names it.
        event = on.wait_for(lambda e: e["container"]["id"] == "3" * 64)

    assert (event["onError"], event["object"]["unknown"]) == (True, ["drift"])


def test_on_the_host_there_is_no_image(drifted):
    """A program of the host's runs, and so does one that a container has written, run by the host."""
    assert 0 == attempt("/usr/bin/env", "MARK=/run/mark", f"{drifting.VOLUME}/program").returncode
