# SPDX-License-Identifier: MIT
"""Links in containers over time: what counts, when it is looked up again, what a later daemon knows."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from enforcer.compiler import LabelNumbers, LocalHost
from enforcer.compiler.host import Mount
from enforcer.errors import EnforcerError
from enforcer.events.rows import RowTable
from enforcer.identity.container_links import Asked
from enforcer.policy.model.container_links import MAX_LINKS
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text
from enforcer.runtime.policies.compilation import prepare
from enforcer.runtime.policies.compile_process import changed_apart
from enforcer.runtime.policies.followed_links import Followed, LinkWatch, changed, follow
from enforcer.runtime.policies.kept_state import State
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.sessions.counts import Ledger

ONE = b"/docker/one"


@pytest.fixture
def policies() -> PolicySet:
    """No shell, and no reading of the secret, in containers."""
    return load_text(
        """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  selector: {container: {name: one}}
  rules:
    - {exec: {}, match: {path: /bin/bash}, action: deny}
    - {file: read, match: {path: /data/secret}, action: deny}
""",
        "p.yaml",
    )


@pytest.fixture
def root(tmp_path) -> Path:
    """Where /data/secret is a link."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/secret").symlink_to("/real/secret")
    return tmp_path


def host(root: Path, *mounts: Mount) -> LocalHost:
    known = Workload(ONE, {"container.name": (b"one",)}, os.fsencode(root))
    return LocalHost(mounts, workloads=(known,))


def test_links_are_in_what_is_compiled(policies, root):
    """The compiler gets them with the container."""
    there, followed = follow(policies, host(root), {})

    assert {b"/data/secret": (b"/real/secret",)} == there.workloads[0].links
    assert {ONE: {b"/data/secret": (b"/real/secret",)}} == followed.links
    assert {ONE: Asked(os.fsencode(root), (b"/bin/bash", b"/data/secret"))} == followed.asked
    assert not followed.incomplete


def test_the_image_has_the_names(policies, root):
    """From files to bytes; without the link they are not in it."""
    known = (Workload(ONE, {"container.name": (b"one",)}, os.fsencode(root)),)
    name = os.fsencode(root / "real/secret")

    with_link = prepare(policies, workloads=known)
    (root / "data/secret").unlink()
    without = prepare(policies, workloads=known)
    still = prepare(policies, workloads=known, links=with_link.followed.links)

    assert [True, False, True] == [name in each.data for each in (with_link, without, still)]
    assert with_link.followed.links == still.followed.links


def test_what_counted_once_counts_on(policies, root):
    """A container that makes its link anew must not get what the first led to."""
    before = follow(policies, host(root), {})[1]
    assert not changed(before)
    (root / "data/secret").unlink()
    assert not changed(before)
    (root / "data/secret").symlink_to("/else")
    assert changed(before)

    after = follow(policies, host(root), before.links)[1]

    assert {b"/data/secret": (b"/real/secret", b"/else")} == after.links[ONE]
    assert not changed(after)


def test_a_container_cannot_have_policies_renewed_for_ever(policies, root):
    """Each new target is one change, as far as there is room; then it is told, and the first ones count."""
    links, renewals = {}, 0
    for i in range(3 * MAX_LINKS):
        (root / "data/secret").unlink()
        (root / "data/secret").symlink_to(f"/target/{i}")
        now = follow(policies, host(root), links)[1]
        renewals += now.links != links
        links = now.links

    assert MAX_LINKS == renewals == len(links[ONE][b"/data/secret"])
    assert b"/target/0" in links[ONE][b"/data/secret"]
    assert {ONE} == now.incomplete
    assert not changed(now)


def test_what_is_gone_is_forgotten(policies, root):
    """A container that is not there any more, and what no policy asks any more."""
    links = follow(policies, host(root), {})[1].links

    assert {} == follow(policies, LocalHost(()), links)[1].links
    assert {} == follow(PolicySet(()), host(root), links)[1].links


def test_links_of_the_image_count_from_the_first_on(policies, root, tmp_path):
    """Also if the container was faster; and they are not looked up again."""
    layer = tmp_path / "layer"
    (layer / "bin").mkdir(parents=True)
    (layer / "bin/bash").symlink_to("busybox")
    mount = Mount(9, b"/", os.fsencode(root), b"overlay", (b"lowerdir=" + os.fsencode(layer),))

    followed = follow(policies, host(root, mount), {})[1]

    assert (b"busybox",) == followed.links[ONE][b"/bin/bash"]
    assert (os.fsencode(layer),) == followed.asked[ONE].layers
    full = {ONE: {b"/x": tuple(b"/%d" % i for i in range(MAX_LINKS))}}
    links = follow(policies, host(root, mount), full)[1].links[ONE]
    assert (b"busybox",) == links[b"/bin/bash"]
    assert b"/0" in links[b"/x"]
    (layer / "bin/bash").unlink()
    (layer / "bin/bash").symlink_to("else")
    assert not changed(followed)


def test_a_file_system_of_a_process_is_not_entered(policies, root):
    """It may never answer: the container is told of."""
    served = Mount(9, b"/", os.fsencode(root), b"fuse.fuse-overlayfs")

    there, followed = follow(policies, host(root, served), {})

    assert {} == there.workloads[0].links == followed.links
    assert {} == followed.asked
    assert {ONE} == followed.incomplete


def test_the_way_there_is_that_of_the_host(policies, root):
    """An engine in a container of its own reaches roots through the first process."""
    known = Workload(ONE, {"container.name": (b"one",)}, b"/data")
    there = LocalHost((), root=os.fsencode(root), workloads=(known,))
    (root / "data/bin").symlink_to("usr/bin")

    assert {ONE: {b"/bin": (b"usr/bin",)}} == follow(policies, there, {})[1].links


@attrs.define
class World:
    now: Followed
    finds: bool | EnforcerError = False
    looks: int = 0
    renewed: int = 0
    said: list[str] = attrs.field(factory=list)

    def changed(self, followed: Followed) -> bool:
        assert followed is self.now
        self.looks += 1
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds

    def renew(self) -> None:
        self.renewed += 1

    def watch(self) -> LinkWatch:
        reactor = None  # type: ignore[var-annotated]
        return LinkWatch(reactor, lambda: self.now, self.changed, self.renew, self.said.append)


ASKED = Followed(asked={ONE: Asked(b"/x", (b"/bin",))})


def test_policies_are_renewed_when_links_change():
    """And only then; where nothing is asked, nobody looks."""
    world = World(ASKED)
    watch = world.watch()
    watch.look()
    assert (1, 0) == (world.looks, world.renewed)
    world.finds = True
    watch.look()
    assert (2, 1) == (world.looks, world.renewed)
    world.now = Followed()
    watch.look()
    assert (2, 1) == (world.looks, world.renewed)


@pytest.mark.parametrize("error", [EnforcerError("it ended"), OSError("it ended")])
def test_a_look_that_fails_is_said_and_tried_again(error):
    """Whatever became of the process that looked, or of the daemon where it looks itself."""
    world = World(ASKED, finds=error)
    watch = world.watch()
    watch.look()
    world.finds = True
    watch.look()

    assert ["cannot look links in containers up, trying again: it ended"] == world.said
    assert 1 == world.renewed


def test_what_is_not_followed_is_said_once():
    """By the container; again if it was well in between."""
    strange = Followed(incomplete=frozenset((ONE, b"/docker/\xff")))
    world = World(strange)
    watch = world.watch()
    watch.look()
    watch.look()
    assert 2 == len(world.said)
    assert ["not all symbolic links in the container /docker/one are followed: "] == [
        line.partition("rules")[0] for line in world.said if "one" in line
    ]
    world.now = Followed()
    watch.look()
    world.now = strange
    watch.look()
    assert 4 == len(world.said)


def test_looking_again_happens_in_a_process_of_its_own(policies, root):
    """The answer comes back."""
    followed = follow(policies, host(root), {})[1]
    assert not changed_apart(followed)
    (root / "bin").symlink_to("data")
    assert changed_apart(followed)


def test_a_later_daemon_knows_them():
    """Whatever bytes names have; what an earlier version kept has none."""
    links = {ONE: {b"/data/\xff": (b"/real", b"/\xfe")}}
    kept = State(RowTable.of(()), LabelNumbers(), Ledger(), Overlay(), links)

    assert links == State.decode(kept.encode()).links
    older = kept.encode().replace(b'"links"', b'"other"')
    assert {} == State.decode(older).links


def test_a_later_daemon_knows_what_was_not_confirmed():
    """What an earlier version kept says nothing of it."""
    kept = attrs.evolve(
        State(RowTable.of(()), LabelNumbers(), Ledger(), Overlay()), digest="aa", unconfirmed="bb"
    )

    found = State.decode(kept.encode())

    assert ("aa", "bb") == (found.digest, found.unconfirmed)
    older = kept.encode().replace(b'"unconfirmed"', b'"other"').replace(b'"digest"', b'"another"')
    assert ("", "") == (State.decode(older).digest, State.decode(older).unconfirmed)
