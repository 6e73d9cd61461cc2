# SPDX-License-Identifier: MIT
"""`kubectl enforcer status`: what is shown of a cluster, and what is said of what is not."""

import json

from plugin_fakes import policy
from printed import document

from enforcer.cli.exits import Exit
from enforcer.plugin.main import main

API = "/apis/enforcer.dev/v1"


def node(name="node-1", **status):
    return {"metadata": {"name": name}, "status": status}


def conditions(**states):
    return [{"type": name, "status": state, "reason": "Why"} for name, state in states.items()]


def test_nodes_and_policies(kubectl, capsys):
    """Each with what it is, and failures with their place."""
    kubectl.lists(
        f"{API}/enforcernodes",
        node(
            version="1.0",
            mode="enforce",
            lost=1200,
            policies=[{"state": "active"}, {"state": "audit"}, {"state": "refused"}],
            conditions=conditions(Ready="True"),
        ),
    )
    failure = {"node": "node-1", "reason": "Refused", "message": "wrong", "path": "spec.rules[0]"}
    item = policy()
    item["status"] = {
        "nodes": {"total": 3, "active": 2},
        "denials": 12345,
        "conditions": conditions(Accepted="False", Enforced="True"),
        "failures": [failure],
    }
    kubectl.lists(f"{API}/enforcerpolicies", item)

    assert Exit.OK == main(["status"])

    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["node-1", "True", "enforce", "1.0", "2", "1", "1,200"] in rows
    assert ["shop/vault", "EnforcerPolicy", "-", "False", "(Why)", "True", "2/3", "12,345"] in rows
    assert "shop/vault on node-1: spec.rules[0]: wrong" in out


def test_as_json(kubectl, capsys):
    """What a cluster does not say is empty, or none."""
    kubectl.lists(f"{API}/enforcernodes", node("a"), node("b", policies=[{"state": "older"}]))

    assert Exit.OK == main(["status", "-o", "json"])

    found = document("kubectl-status", capsys.readouterr().out)
    assert [0, 1] == [each["policies"]["older"] for each in found["nodes"]]
    assert ("shop", "vault", 0) == tuple(
        found["policies"][0][key] for key in ("namespace", "name", "denials")
    )


def test_what_has_a_wrong_type_is_left_out(kubectl, capsys):
    """The schema forbids it, and another server may not."""
    wrong = policy()
    wrong["status"] = {"nodes": [], "denials": "many", "conditions": {}, "failures": [7]}
    wrong["spec"] = []
    kubectl.lists(f"{API}/enforcerpolicies", wrong)
    kubectl.lists(f"{API}/enforcernodes", {"metadata": {"name": "a"}, "status": []})

    assert Exit.OK == main(["status", "--json"])

    document("kubectl-status", capsys.readouterr().out)


def test_text_of_others_moves_no_cursor(kubectl, capsys):
    """Neither in a table nor in a sentence."""
    hostile = "\x1b[2J\u202e\r\n[red]x"
    kubectl.lists(
        f"{API}/enforcernodes", node(version=hostile, conditions=conditions(Ready=hostile))
    )
    item = policy(mode=hostile)
    item["status"] = {"failures": [{"node": hostile, "message": hostile}]}
    kubectl.lists(f"{API}/enforcerpolicies", item)

    main(["status"])

    out = capsys.readouterr().out
    assert {"\x1b", "\u202e", "\r"}.isdisjoint(out)
    assert 5 == out.count("\\x1b[2J\\u202e\\r\\n[red]x")


def test_an_object_with_a_name_that_is_none(kubectl, capsys):
    """Is nothing that an API server says."""
    kubectl.lists(f"{API}/enforcerpolicies", policy("../x"))

    assert Exit.USAGE == main(["status"])

    assert "the API server does not say what was asked for" in capsys.readouterr().err


def test_a_tenant_gets_the_namespace_of_the_context(kubectl, capsys):
    """And a sentence for what is left out."""
    kubectl.refuse(f"{API}/enforcerpolicies")
    kubectl.refuse(f"{API}/clusterenforcerpolicies")
    kubectl.refuse(f"{API}/enforcernodes")
    kubectl.answer("config", "view", out="shop")

    assert Exit.OK == main(["status"])

    shown = capsys.readouterr()
    assert "shop/vault" in shown.out
    assert "only of namespace shop, as of all you may not list them" in shown.err
    assert "nodes are not shown: Error from server (Forbidden)" in shown.err
    assert 3 == len(shown.err.splitlines())


def test_of_one_namespace_nothing_else_is_asked(kubectl, capsys):
    """Neither nodes nor policies of the cluster."""
    assert Exit.OK == main(["status", "-n", "shop"])

    asked = " ".join(word for words in kubectl.asked() for word in words)
    assert "enforcernodes" not in asked
    assert "clusterenforcerpolicies" not in asked
    assert "shop/vault" in capsys.readouterr().out


def test_a_cluster_without_the_kinds(kubectl, capsys):
    """What to do is said."""
    for kind in ("enforcerpolicies", "clusterenforcerpolicies", "enforcernodes"):
        kubectl.refuse(kind, reason="NotFound")

    assert Exit.USAGE == main(["status"])

    assert "apply the definitions, packaging/kubernetes/crds" in capsys.readouterr().err


def test_nobody_may_see_anything(kubectl, capsys):
    """One sentence, no table."""
    kubectl.refuse("--raw=/apis")

    assert Exit.USAGE == main(["status"])

    shown = capsys.readouterr()
    assert "" == shown.out
    assert 1 == len(shown.err.splitlines())


def test_a_long_list_comes_in_parts(kubectl, capsys):
    """All of them are shown."""
    page = {"metadata": {"resourceVersion": "1", "continue": "rest"}, "items": [policy("a")]}
    kubectl.answer(f"{API}/enforcerpolicies?", out=json.dumps(page))
    page = {"metadata": {"resourceVersion": "1"}, "items": [policy("b")]}
    kubectl.answer(f"{API}/enforcerpolicies?", "continue=rest", out=json.dumps(page))

    assert Exit.OK == main(["status", "--json"])

    found = document("kubectl-status", capsys.readouterr().out)
    assert ["a", "b"] == [each["name"] for each in found["policies"]]
