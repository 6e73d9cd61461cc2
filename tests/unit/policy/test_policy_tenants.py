# SPDX-License-Identifier: MIT
"""Policies of one namespace: their names, what they may not ask for, and how they are written again."""

from __future__ import annotations

import pytest

from enforcer.errors import PolicyErrors
from enforcer.policy.model.workloads import CERTAIN
from enforcer.policy.store import load_text
from enforcer.policy.writers.printer import print_policies

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: web, namespace: {namespace}}}
spec:
  selector: {{uid: 1000}}
  rules: [{rule}]
"""
RULE = "{name: r, file: read, match: {path: /x}, action: deny}"


def _text(namespace="shop", rule=RULE):
    return TEXT.format(namespace=namespace, rule=rule)


def _errors(text):
    with pytest.raises(PolicyErrors) as caught:
        load_text(text, "p.yaml")
    return [str(error) for error in caught.value.errors]


def test_its_name_is_that_of_its_namespace_too():
    """Two tenants may give the same name; one may not give it twice."""
    found = load_text(f"{_text('shop')}---\n{_text('lab')}", "p.yaml").policies

    assert ["shop/web", "lab/web"] == [policy.name for policy in found]
    assert ["shop", "lab"] == [policy.namespace for policy in found]
    assert "has its name from p.yaml:1:1" in _errors(f"{_text()}---\n{_text()}")[0]


def test_it_is_for_its_pods():
    """Whatever else it selects."""
    (policy,) = load_text(_text(), "p.yaml").policies

    first, second = policy.selector.conditions
    assert ("pod.namespace", CERTAIN, False) == (first.field.name, first.index, first.negate)
    assert "uid" == second.field.name


def test_it_is_written_as_it_was():
    """And read as the same."""
    policies = load_text(f"{_text()}---\n{_text('lab')}", "p.yaml").policies

    written = print_policies(policies)

    assert "name: web\n  namespace: shop\n" in written
    assert "pod" not in written
    again = load_text(written, "p.yaml").policies
    assert [(p.name, p.namespace, p.selector) for p in policies] == [
        (p.name, p.namespace, p.selector) for p in again
    ]


@pytest.mark.parametrize("namespace", ["Shop", "[a]", "a_b", "-a", "a/b", "''", "'*'", "x" * 64])
def test_names_that_kubernetes_would_refuse(namespace):
    """A pattern would be about other tenants."""
    (error,) = _errors(_text(namespace))

    assert error.startswith("p.yaml:3:")
    assert "namespace must be" in error


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{name: r, kprobe: {function: do_exit}, action: log}", "no rules at points of the kernel"),
        ("{name: r, tracepoint: {category: sched, event: sched_switch}, action: log}", "points of the kernel"),
        ("{name: r, lsm: {hook: file_open}, action: deny}", "points of the kernel"),
        ("{name: r, file: read, mark: {name: m, of: host}, match: {path: /x}}", "no marks of the host"),
        (
            "{name: r, file: read, match: {path: /x, within: {mark: other/m, last: 5s}}, action: deny}",
            "its own marks only",
        ),
    ],
)  # fmt: skip
def test_what_reaches_beyond_its_pods_is_refused(rule, why):
    """Others, the host, and what costs everybody."""
    assert any(why in error for error in _errors(_text(rule=rule))), _errors(_text(rule=rule))


def test_its_own_marks_are_its_own():
    """Of a container, of processes: these are in its pods."""
    rules = (
        "{name: a, exec: {}, match: {path: /a}, mark: {name: m, of: container}, action: log}, "
        "{name: b, exec: {}, match: {path: /b, within: {mark: m, last: 5s}}, action: deny}"
    )

    assert 2 == len(load_text(_text(rule=rules), "p.yaml").policies[0].rules)


def test_kinds_of_an_api_server_are_the_same_language():
    """A policy of the group enforcer.dev is one of its namespace, and a ClusterEnforcerPolicy of the whole host."""
    (written,) = load_text(_text(), "p.yaml").policies
    (same,) = load_text(_text().replace("enforcer/v1", "enforcer.dev/v1"), "p.yaml").policies
    whole = _text().replace("enforcer/v1", "enforcer.dev/v1").replace(", namespace: shop", "")
    (host,) = load_text(whole.replace("kind: E", "kind: ClusterE"), "p.yaml").policies
    (plain,) = load_text(_text().replace(", namespace: shop", ""), "p.yaml").policies

    assert _printed(written) == _printed(same)
    assert _printed(plain) == _printed(host)
    assert ("web", "") == (host.name, host.namespace)
    assert _printed(host) == _printed(*load_text(print_policies([host]), "p.yaml").policies)


def _printed(policy):
    """Return what is written of *policy* without places."""
    lines = print_policies([policy]).splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]


KUBEARMOR = """\
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  process: {matchPaths: [{path: /bin/sh}]}
  action: Block
"""
TRACING = """\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicyNamespaced
metadata: {name: web, namespace: shop}
spec:
  kprobes:
  - call: tcp_connect
    syscall: false
    args: [{index: 0, type: sock}]
    selectors: [{matchActions: [{action: Sigkill}]}]
"""


@pytest.mark.parametrize("text", [KUBEARMOR, TRACING])
def test_kinds_of_others_are_of_their_namespace(text):
    """Its author is known, and decides on its pods alone, as the author of an EnforcerPolicy does."""
    (policy,) = load_text(text, "p.yaml").policies

    assert ("shop/web", "shop") == (policy.name, policy.namespace)
    asked = [(c.field.name, c.index) for c in policy.selector.conditions]
    assert ("pod.namespace", CERTAIN) == asked[0]
    assert 1 == [name for name, _ in asked].count("pod.namespace")
    (again,) = load_text(print_policies([policy]), "p.yaml").policies
    assert (policy.name, policy.namespace, policy.selector) == (
        again.name,
        again.namespace,
        again.selector,
    )


@pytest.mark.parametrize("text", [KUBEARMOR, TRACING])
def test_kinds_of_others_without_a_namespace_are_the_hosts(text):
    """A file that names none says nothing of an author: it also meets containers in doubt."""
    (policy,) = load_text(text.replace(", namespace: shop", ""), "p.yaml").policies

    assert ("web", "") == (policy.name, policy.namespace)
    first = policy.selector.conditions[0]
    assert ("pod.namespace", None) == (first.field.name, first.index)
    assert [b"default"] == [value.value for value in first.values]


def test_kinds_of_others_reach_no_further():
    text = TRACING.replace("tcp_connect", "do_sys_openat2").replace("sock", "int")

    assert "a policy of a namespace has no rules at points" in _errors(text)[0]
    assert load_text(text.replace("Namespaced", "").replace(", namespace: shop", ""), "p.yaml")


@pytest.mark.parametrize("text", [KUBEARMOR, TRACING])
def test_their_namespaces_are_as_kubernetes_names_them(text):
    assert "namespace must be" in _errors(text.replace("shop", "'*'"))[0]
