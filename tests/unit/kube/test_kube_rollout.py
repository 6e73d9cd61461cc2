# SPDX-License-Identifier: MIT
"""Where a policy is enforced by the annotations of its object, and what is never loosened by them."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_fakes import MACHINES, POLICIES, SPEC, until

from enforcer.cluster.agent.label_selector import MAX_SELECTOR, parse_selector
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.policy_text import policy_text
from enforcer.cluster.agent.resource import POLICIES as RESOURCES
from enforcer.cluster.agent.resource import Deleted, Found, Listed, node_of
from enforcer.cluster.agent.rollout import MODE, NODES, SHARE, Rollout, RolloutError, text_of
from enforcer.policy.model.modes import Mode
from enforcer.policy.store import load_text
from enforcer.policy.text.digest import digest_of

OWN = RESOURCES[0]
KEY = ("shop", "web")
FILE = "shop.web.enforcerpolicy.yaml"
UID = "9a2c1a36-6f3c-4a7e-8f5e-0d9b6f0f6f11"
CANARY = {"pool": "canary", "zone": "a"}
OTHER = {"pool": "main"}
BROKEN = {SHARE: "a quarter"}


def item(spec=SPEC, generation=1, uid=UID, **annotations):
    """Return an object with annotations, written as ``MODE="audit"`` and so on, or given whole."""
    meta = {"name": "web", "namespace": "shop", "generation": generation}
    if uid:
        meta["uid"] = uid
    return {"metadata": {**meta, "annotations": annotations}, "spec": spec}


def within(share, node, uid=UID):
    return Rollout.of(item(uid=uid, **{SHARE: share})).reaches(item(uid=uid), node, None)


# ---- What is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "text", "canary", "other", "unknown"),
    [
        ({}, "all", True, True, True),
        ({"enforcer.dev/owner": "web", "rollout-mode": "audit"}, "all", True, True, True),
        ({MODE: "audit"}, "audit", False, False, False),
        ({MODE: "audit", SHARE: "100%", NODES: "pool"}, "audit", False, False, False),
        ({SHARE: "0%"}, "0%", False, False, False),
        ({SHARE: "100%"}, "all", True, True, True),
        ({SHARE: "100.00%", NODES: "pool = canary"}, "pool = canary", True, False, None),
        ({NODES: "pool=canary"}, "pool=canary", True, False, None),
        ({NODES: "!zone"}, "!zone", False, True, None),
        ({SHARE: "0.00%", NODES: "pool=canary"}, "0% of pool=canary", False, False, False),
        ({SHARE: "2.5%"}, "2.5%", False, False, False),
    ],
)
def test_what_annotations_say(annotations, text, canary, other, unknown):
    """Both name the nodes on which it is enforced; mode: audit goes before both."""
    one = item(**annotations)

    rollout = Rollout.of(one)

    assert text == rollout.text == text_of(one)
    assert [canary, other, unknown] == [
        rollout.reaches(one, "node-1", labels) for labels in (CANARY, OTHER, None)
    ]


@pytest.mark.parametrize(
    ("annotations", "wrong"),
    [
        ({MODE: "enforce"}, MODE),
        ({MODE: "Audit"}, MODE),
        ({MODE: ""}, MODE),
        ({MODE: True}, MODE),
        *(
            ({SHARE: share}, SHARE)
            for share in ("25", "", "%", "101%", "100.01%", "-1%", "1e1%", "٣%", " 5%", "5 %")
        ),
        ({SHARE: "5%\n"}, SHARE),
        ({SHARE: "0.125%"}, SHARE),
        ({NODES: ""}, NODES),
        ({NODES: "pool=canary,"}, NODES),
        ({NODES: "pool in canary"}, NODES),
        ({NODES: "cpu > 4"}, NODES),
        ({"enforcer.dev/rollout": "audit"}, "enforcer.dev/rollout"),
        ({"enforcer.dev/rollout-shares": "5%"}, "enforcer.dev/rollout-shares"),
        ({"enforcer.dev/Rollout-Mode": "audit"}, "enforcer.dev/Rollout-Mode"),
        ({MODE: "audit", SHARE: "x"}, SHARE),
    ],
)
def test_what_is_not_understood_is_refused(annotations, wrong):
    """It is neither no rollout nor audit: the first would enforce too much, the second too little."""
    with pytest.raises(RolloutError) as error:
        Rollout.of(item(**annotations))

    assert f"metadata.annotations[{wrong}]" == error.value.path
    assert "invalid" == text_of(item(**annotations))


def test_a_share_needs_a_uid():
    """Without one, all policies would choose the same nodes."""
    with pytest.raises(RolloutError, match="uid"):
        Rollout.of(item(uid="", **{SHARE: "5%"}))
    assert "pool" == Rollout.of(item(uid="", **{NODES: "pool"})).text


@given(
    uid=st.uuids().map(str),
    node=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    shares=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(sorted),
)
def test_a_share_that_grows_only_adds_nodes(uid, node, shares):
    """A node that enforces never stops because there are to be more."""
    less, more = (within(f"{share // 100}.{share % 100:02}%", node, uid) for share in shares)

    assert (less, more) != (True, False)


def test_a_share_is_about_as_large_as_it_says():
    """And each policy has its own nodes."""
    nodes = [f"node-{number}" for number in range(5000)]
    first, second = (
        {node for node in nodes if within("25%", node, uid)} for uid in (UID, UID.replace("9", "8"))
    )

    assert all(1150 < len(chosen) < 1350 for chosen in (first, second))
    assert 230 < len(first & second) < 400


# ---- Selectors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canary", "other"),
    [
        ("pool", True, True),
        ("pool,zone", True, False),
        ("!zone", False, True),
        ("! zone", False, True),
        ("pool==canary", True, False),
        ("pool!=canary", False, True),
        ("zone!=b", True, True),
        ("zone=", False, False),
        ("zone in (b, a)", True, False),
        ("pool in (canary,main),zone notin (a)", False, True),
        ("zone notin (b)", True, True),
        ("in in (in)", False, False),
        ("example.com/pool.x_y-z=1", False, False),
    ],
)
def test_selectors(text, canary, other):
    """As kubectl reads them: what must not be holds also where there is no such label."""
    selector = parse_selector(text)

    assert (canary, other) == (selector.matches(CANARY), selector.matches(OTHER))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ",", "a,,b", ",a", "a b", "a=b c", "a=(b)", "a in", "a in ()x", "a in (b"),
        *("a in b)", "a in ((b))", "a in (b,c d)", "-a", "a-", "a=-", "a/b/c=d", "/a", "A.b/c"),
        *("a>1", "a notin", "!a=b", "!", "a=b=c", "é=b", "a" * 64, "a=" + "b" * 64),
        ",".join(["label"] * MAX_SELECTOR),
    ],
)
def test_wrong_selectors(text):
    """Nothing of what is written is passed over."""
    with pytest.raises(ValueError, match=r"selector|condition|value"):
        parse_selector(text)


@given(st.text(alphabet="ab=!,() in/.-\t", max_size=40))
def test_a_selector_is_read_or_refused(text):
    """Whatever it is; and what is read is read the same again."""
    try:
        found = parse_selector(text)
    except ValueError:
        return

    assert found == parse_selector(found.text)
    assert isinstance(found.matches({}), bool)


# ---- Files ---------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Node:
    """The files of an agent; :meth:`restart` makes all of it anew from them."""

    place: object
    node: NodeObject = None
    folder: PolicyFolder = None

    def __attrs_post_init__(self):
        self.restart()

    def restart(self):
        self.node = NodeObject(self.place / "node", "node-1")
        self.node.read()
        states = PolicyStates(self.place / "state")
        states.read()
        self.folder = PolicyFolder(self.place / "policies", states, self.node)
        self.folder.open()

    def take(self, *news):
        for each in news:
            if each.resource in RESOURCES:
                self.folder.take(each)
            elif self.node.take(each):
                self.folder.relabel()
        self.node.write()
        self.folder.states.write()
        self.folder.write()

    def policy(self, **more):
        self.take(Found(OWN, KEY, item(**more)))

    def labels(self, labels, uid="u1"):
        meta = {"name": "node-1", "uid": uid, "labels": labels}
        self.take(Found(node_of("node-1"), ("", "node-1"), {"metadata": meta}))

    @property
    def file(self):
        return self.folder.path / FILE

    @property
    def mode(self):
        """What the policy is here, as the engine reads it; None: there is no file."""
        if not self.file.exists():
            return None
        (policy,) = load_text(self.file.read_text(), FILE).policies
        return policy.mode

    @property
    def state(self):
        return dict(self.folder.states.all())[FILE]

    @property
    def version(self):
        return self.state.versions[digest_of(self.file.read_bytes())]


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def test_beyond_a_rollout_a_policy_only_records(node):
    """The engine decides the same there. An annotation changes the file, and no generation."""
    node.policy(**{MODE: "audit"})
    held, before = node.mode, node.version
    node.policy()

    assert [Mode.AUDIT, Mode.ENFORCE] == [held, node.mode]
    assert policy_text(item(), KEY, OWN) == node.file.read_bytes()
    assert (1, "audit", True) == (before.generation, before.rollout, before.is_held)
    assert (1, "all", False) == tuple(attrs.astuple(node.version)[:3])


def test_a_policy_that_only_records_anyway_is_not_held(node):
    """Its text is the same with and without."""
    node.policy(spec={**SPEC, "mode": "audit"}, **{MODE: "audit"})

    assert Mode.AUDIT == node.mode
    assert not node.version.is_held


@pytest.mark.parametrize("mode", ["Enforce", "enforec", "", 1, None, ["enforce"]])
def test_a_mode_that_is_none_is_left_to_the_engine(node, mode):
    """A rollout makes nothing right that is wrong."""
    spec = {**SPEC, "mode": mode}

    node.policy(spec=spec, **{MODE: "audit"})

    assert policy_text(item(spec=spec), KEY, OWN) == node.file.read_bytes()


@pytest.mark.parametrize("spec", ["deny everything", None, []])
def test_a_spec_that_is_none_is_left_to_the_engine(node, spec):
    node.policy(spec=spec, **{MODE: "audit"})

    assert policy_text(item(spec=spec), KEY, OWN) == node.file.read_bytes()


# ---- Which way it falls --------------------------------------------------------------------------


def test_a_new_policy_with_a_wrong_annotation_is_not_begun(node):
    """Neither on all nodes at once, nor as if it only recorded."""
    node.policy(**BROKEN)

    assert node.mode is None
    assert f"metadata.annotations[{SHARE}]" == node.state.refusal.path
    assert "a quarter" in node.state.refusal.message


@pytest.mark.parametrize("before", [{}, {MODE: "audit"}])
@pytest.mark.parametrize("is_listed", [False, True])
def test_an_active_policy_stays_as_it_was(node, before, is_listed):
    """Also if its rules change at the same time, over a start, and when it is listed: until it makes sense."""
    node.policy(**before)
    text = node.file.read_bytes()
    node.restart()
    wrong = item(spec={**SPEC, "message": "new"}, generation=2, **BROKEN)

    node.take(Listed(OWN, {KEY: wrong}) if is_listed else Found(OWN, KEY, wrong))
    after, refusal = node.file.read_bytes(), node.state.refusal
    node.policy(spec={**SPEC, "message": "new"}, generation=2, **{SHARE: "100%"})

    assert text == after
    assert 2 == refusal.generation
    assert node.state.refusal is None
    assert (Mode.ENFORCE, 2) == (node.mode, node.version.generation)


def test_what_is_deleted_goes_also_if_it_was_wrong(node):
    """A wrong annotation keeps no policy."""
    node.policy()
    node.policy(**BROKEN)

    node.take(Deleted(OWN, KEY))

    assert node.mode is None
    assert [] == node.folder.states.all()


def test_labels_choose(node):
    """And choose anew when they change."""
    node.labels(CANARY)
    node.policy(**{NODES: "pool=canary"})
    first = node.mode
    node.labels(OTHER)
    second = node.mode
    node.labels(CANARY)

    assert [Mode.ENFORCE, Mode.AUDIT, Mode.ENFORCE] == [first, second, node.mode]
    node.policy()
    node.labels(OTHER)
    assert Mode.ENFORCE == node.mode


def test_without_labels_nothing_is_loosened(node):
    """What was enforced here stays so, also with new rules; what is new only records, until labels are known."""
    node.policy()
    node.policy(spec={**SPEC, "message": "new"}, generation=2, **{NODES: "pool=canary"})
    old = node.mode, node.version.generation, node.version.is_guess
    other = item(**{NODES: "pool=canary"})
    node.take(Found(OWN, ("shop", "new"), other))
    new = node.folder.path / "shop.new.enforcerpolicy.yaml"
    before = json.loads(new.read_bytes())["spec"].get("mode")
    node.labels(CANARY)

    assert (Mode.ENFORCE, 2, True) == old
    assert "audit" == before
    assert "mode" not in json.loads(new.read_bytes())["spec"]
    assert not node.version.is_guess


def test_what_was_held_is_held_without_labels(node):
    """A start that knows no labels begins nothing."""
    node.labels(OTHER)
    node.policy(**{NODES: "pool=canary"})
    (node.place / "node").unlink()
    node.restart()

    node.policy(generation=2, **{NODES: "pool=canary"})

    assert (Mode.AUDIT, True) == (node.mode, node.version.is_guess)


@pytest.mark.parametrize(
    "gone",
    [
        Deleted(node_of("node-1"), ("", "node-1")),
        Listed(node_of("node-1"), {}),
        Found(node_of("node-1"), ("", "node-2"), {"metadata": {"labels": OTHER, "uid": "u2"}}),
    ],
)
def test_labels_are_the_last_that_were_known(node, gone):
    """Whatever becomes of the node's object, and over a start without a server."""
    node.labels(CANARY)
    node.take(gone)
    node.restart()

    node.policy(**{NODES: "pool=canary"})

    assert Mode.ENFORCE == node.mode
    assert not node.version.is_guess


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"format": 1}', '{"format": 1, "node": "node-1", "labels": 7}'),
        '{"format": 1, "node": "node-2", "labels": {"pool": "canary"}}',
        '{"format": 2, "node": "node-1", "labels": {"pool": "canary"}}',
    ],
)
def test_labels_that_cannot_be_read_are_not_known(tmp_path, text):
    """Nor are those of another node, as on a disk that was copied."""
    (tmp_path / "node").write_text(text)
    found = NodeObject(tmp_path / "node", "node-1")

    found.read()

    assert found.labels is None


def test_a_file_that_cannot_be_read_counts_as_enforced(node):
    """In doubt nothing is loosened."""
    node.policy()
    node.file.unlink()
    node.file.mkdir()

    node.folder.take(Found(OWN, KEY, item(generation=2, **{NODES: "pool=canary"})))

    assert not any(each.is_held for each in node.state.versions.values())


# ---- The agent -----------------------------------------------------------------------------------


def rolled(server, key=KEY, **annotations):
    return server.put(POLICIES, key, meta={"annotations": annotations, "generation": 1})


def is_held(agent, name=FILE):
    """Whether the policy only records; None: there is none."""
    text = agent.policies.get(name)
    return text and json.loads(text)["spec"].get("mode") == "audit"


def test_the_agent_follows_annotations_and_labels(server, begin):
    """Of the policy, and of its own node alone."""
    server.put(MACHINES, ("", "node-1"), meta={"labels": OTHER})
    server.put(MACHINES, ("", "node-2"), meta={"labels": CANARY})
    rolled(server, **{NODES: "pool=canary"})
    agent = begin()
    assert until(lambda: is_held(agent))

    server.put(MACHINES, ("", "node-1"), meta={"labels": CANARY})
    assert until(lambda: is_held(agent) is False)
    rolled(server, **{MODE: "audit", NODES: "pool=canary"})
    assert until(lambda: is_held(agent))
    rolled(server)
    assert until(lambda: is_held(agent) is False)


def test_without_the_right_to_nodes_all_else_goes_on(server, begin):
    """Shares need no labels. What needs them and is new only records."""
    server.forbidden.add(MACHINES)
    rolled(server, **{SHARE: "100%"})
    rolled(server, ("shop", "by-label"), **{NODES: "pool=canary"})

    agent = begin()

    assert until(lambda: len(agent.policies) == 2)
    assert is_held(agent) is False
    assert is_held(agent, "shop.by-label.enforcerpolicy.yaml")


def test_who_keeps_the_server_away_loosens_nothing(server, begin):
    """Neither while it is away, nor over a start of the agent."""
    server.put(MACHINES, ("", "node-1"), meta={"labels": CANARY})
    rolled(server, **{NODES: "pool=canary"})
    first = begin()
    assert until(lambda: is_held(first) is False)
    first.stop()
    server.stop()

    second = begin()

    assert until(lambda: len(second.said) >= 3)
    assert is_held(second) is False
    server.delete(MACHINES, ("", "node-1"))
    server.start()
    rolled(server, ("shop", "new"), **{NODES: "pool=canary"})
    assert until(lambda: is_held(second, "shop.new.enforcerpolicy.yaml") is False)
    assert is_held(second) is False
