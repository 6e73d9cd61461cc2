# SPDX-License-Identifier: MIT
"""The webhook in a pod: what nodes would refuse is refused when it is applied, and nothing waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import yaml
from cluster_clients import Kubectl
from installed import Installed, first_process
from node import until
from workload import policy

NAMESPACE = "shelf"
PLACE = f"/apis/enforcer.dev/v1/namespaces/{NAMESPACE}/enforcerpolicies"
NAME = "enforcer-webhook"
# As long as an API server may wait: a check is slow in an emulated machine.
_VALUES = ("webhook.enabled=true", "webhook.replicas=1", "webhook.timeoutSeconds=30")


@attrs.frozen
class Webhook:
    """The webhook of the chart, in its pod."""

    installed: Installed

    @property
    def kubectl(self) -> Kubectl:
        return self.installed.kubectl

    @property
    def manifests(self) -> str:
        """What the chart makes for it."""
        made = yaml.safe_load_all(self.installed.render(*_VALUES))
        return yaml.safe_dump_all([it for it in made if it and it["metadata"]["name"] == NAME])

    def pods(self) -> list[dict[str, Any]]:
        found = self.installed.api.get(f"/api/v1/namespaces/{self.installed.namespace}/pods") or {}
        return [
            each for each in found.get("items", ()) if each["metadata"]["name"].startswith(NAME)
        ]

    def addresses(self) -> int:
        """How many of its pods the API server may ask."""
        path = f"/api/v1/namespaces/{self.installed.namespace}/endpoints/{NAME}"
        found = self.installed.api.get(path) or {}
        return sum(len(each.get("addresses", ())) for each in found.get("subsets") or ())

    def scale(self, replicas: int) -> None:
        """Have so many pods, and wait until they can be asked."""
        words = ("-n", self.installed.namespace, "scale", f"deployment/{NAME}")
        self.kubectl.do(*words, f"--replicas={replicas}")
        until(lambda: self.addresses() == replicas, self.why, 600)

    def signal(self, number: int) -> None:
        (pod,) = self.pods()
        (status,) = pod["status"]["containerStatuses"]
        os.kill(first_process(status), number)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run *argv* in its pod."""
        words = ("-n", self.installed.namespace, "exec", f"deployment/{NAME}", "--", *argv)
        return self.kubectl.run(*words)

    def why(self) -> str:
        words = ("-n", self.installed.namespace)
        told = [self.kubectl.run(*words, *more).stdout[-4000:] for more in self._told()]
        return "\n".join(told)

    def _told(self) -> Iterator[tuple[str, ...]]:
        for pod in self.pods():
            yield "describe", "pod", pod["metadata"]["name"]
            yield "logs", pod["metadata"]["name"]
        yield "describe", "deployment", NAME


@pytest.fixture(scope="module", autouse=True)
def namespace(installed) -> Iterator[None]:
    installed.kubectl.do("create", "namespace", NAMESPACE)
    yield
    installed.kubectl.do("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def webhook(installed) -> Iterator[Webhook]:
    """It is there, and was not: without it, what is wrong is stored."""
    assert (0, {"before"}) == (apply(installed, wrong("before")).returncode, stored(installed))
    installed.kubectl.do("delete", "enforcerpolicies.enforcer.dev", "-n", NAMESPACE, "before")
    made = Webhook(installed)
    manifests = made.manifests
    installed.kubectl.do("apply", "-f", "-", given=manifests)
    try:
        until(lambda: made.addresses() == 1, made.why, 600)
        yield made
    finally:
        installed.kubectl.do("delete", "-f", "-", given=manifests)


def wrong(name: str) -> dict[str, Any]:
    """Return a policy with a key that nobody knows, which a server stores as it is."""
    made = policy(name, NAMESPACE, "deny")
    made["spec"]["rules"][0]["acton"] = "log"
    return made


def apply(installed, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return installed.kubectl.run("apply", "-f", "-", given=json.dumps(document))


def stored(installed) -> set[str]:
    """Return the names of the policies that the API server has."""
    found = until(lambda: installed.api.get(PLACE), "the API server says nothing")
    return {each["metadata"]["name"] for each in found["items"]}


def refusal(installed) -> str:
    """Apply what is wrong; return what kubectl says, nothing if it is stored."""
    done = apply(installed, wrong("refused"))
    assert (done.returncode != 0) == ("refused" not in stored(installed))
    return "" if done.returncode == 0 else done.stderr


def is_refused(installed) -> bool:
    """Whether it is; a webhook that has just begun may not have been asked."""
    found = refusal(installed)
    if not found:
        installed.kubectl.do("delete", "enforcerpolicies.enforcer.dev", "-n", NAMESPACE, "refused")
    return bool(found)


def test_what_nodes_would_refuse_is_refused_at_once(installed, webhook):
    """With the path of the field, in the sentence that the page shows. What is right is stored."""
    until(lambda: is_refused(installed), webhook.why)
    said = refusal(installed)

    assert 'admission webhook "policies.enforcer.dev" denied the request' in said
    assert "spec.rules[0].acton: 'acton' is not a key of a rule" in said
    assert apply(installed, policy("right", NAMESPACE, "deny")).returncode == 0
    assert {"right"} == stored(installed)


def test_it_may_nothing(webhook):
    """No token, no file that it could write, no capability, and a user who owns nothing."""
    told = "id -u; grep CapEff /proc/self/status; ls /var/run/secrets; echo x >/x; echo x >/certificate/x"
    done = webhook.run("sh", "-c", told)

    assert ["9754", "CapEff:\t0000000000000000"] == done.stdout.splitlines()
    assert "/var/run/secrets" in done.stderr
    assert 2 == done.stderr.count("Read-only file system")


def test_while_it_stands_still_policies_are_stored(installed, webhook):
    """The API server waits as long as it was told, and no longer; afterwards it is asked again."""
    webhook.signal(signal.SIGSTOP)
    try:
        assert not refusal(installed)
    finally:
        webhook.signal(signal.SIGCONT)
    installed.kubectl.do("delete", "enforcerpolicies.enforcer.dev", "-n", NAMESPACE, "refused")
    until(lambda: is_refused(installed), webhook.why)


def test_while_it_is_away_nodes_refuse(installed, webhook):
    """With the same place in the status of the policy; what was active stays so."""
    webhook.scale(0)
    assert not refusal(installed)

    def accepted() -> dict[str, Any]:
        found = (installed.api.get(f"{PLACE}/refused") or {}).get("status", {})
        conditions = {each["type"]: each for each in found.get("conditions", ())}
        return conditions.get("Accepted", {})

    until(lambda: accepted().get("status") == "False", lambda: str(accepted()), 300)
    assert "acton" in accepted()["message"]
    installed.kubectl.do("delete", "enforcerpolicies.enforcer.dev", "-n", NAMESPACE, "refused")
    webhook.scale(1)
    until(lambda: is_refused(installed), webhook.why)


def test_after_its_death_it_is_asked_again(installed, webhook):
    """A kubelet starts it again."""
    webhook.signal(signal.SIGKILL)

    until(lambda: is_refused(installed), webhook.why, 300)
