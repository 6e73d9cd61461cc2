# SPDX-License-Identifier: MIT
"""The webhook, asked by a real API server as the chart configures it, but for where it is."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import attrs
import pytest
import yaml
from kube_fakes import authority
from kube_objects import BROKEN, NAMESPACE, READER, broken, shipped
from kube_server import ROOT, free_ports
from patience import scaled, wait_until
from test_kube_types import decode

from enforcer.policy.language.kube import CLUSTER_POLICY, POLICY

NAME = "enforcer-webhook"
CHART = ROOT / "packaging/kubernetes/chart"

HEAD = "apiVersion: enforcer.dev/v1\nkind: EnforcerPolicy\n"
META = "metadata: {name: hooked, namespace: shop}\n"
WRONG = f"{HEAD}{META}spec: {{rules: [{{exec: {{}}, match: {{paht: /bin/sh}}, action: deny}}]}}\n"
RIGHT = WRONG.replace("paht", "path")
WHY = "spec.rules[0].match.paht: 'paht' is not a field of exec; did you mean 'path'?"


@attrs.define
class Hook:
    """The webhook as a process, and what API servers are told of it."""

    folder: Path
    port: int
    process: subprocess.Popen

    def get(self, path):
        """Get *path* of it."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        address = f"https://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(address, timeout=scaled(10), context=context) as answer:
            return answer.read().decode()

    @property
    def asked(self):
        """How often it was asked, by what was answered."""
        lines = [line for line in self.get("/metrics").splitlines() if "_reviews_total{" in line]
        return {line.split('"')[1]: int(line.rpartition(" ")[2]) for line in lines}


def until(holds, what):
    """Wait until *holds* returns something true, and return that."""
    return wait_until(holds, what, 60, 0.1)


@contextlib.contextmanager
def running(folder):
    """Run the webhook."""
    (port,) = free_ports(1)
    words = ["--listen", f"127.0.0.1:{port}", "--certificate", folder / "ca.crt"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).parent / "enforcer",
                "kube-webhook",
                *words,
                "--key",
                folder / "key.pem",
            ],
            stderr=log,
        )
    hook = Hook(folder, port, process)

    def answers():
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError):
            return hook.get("/healthz")
        return None

    try:
        until(answers, "the webhook does not answer")
        yield hook
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def helm():
    """The program, or the reason why there is none."""
    own = ROOT / "build/helm/helm"
    program = own if own.exists() else shutil.which("helm")
    if program is None:
        pytest.skip("there is no helm: scripts/kube/fetch-helm.py build/helm/helm gets it")
    return program


@pytest.fixture(scope="module")
def chart(helm):
    """The configuration that the chart makes."""
    words = ["--set=webhook.enabled=true", "--set=webhook.tetragonPolicies=true"]
    made = subprocess.check_output(
        [helm, "template", "x", CHART, *words], stderr=subprocess.DEVNULL
    )
    kind = "ValidatingWebhookConfiguration"
    (found,) = (each for each in yaml.safe_load_all(made) if each and each["kind"] == kind)
    return found


@contextlib.contextmanager
def asking(cluster, chart, hook):
    """Let the API server ask *hook*."""
    found = json.loads(json.dumps(chart))
    (only,) = found["webhooks"]
    bundle = base64.b64encode((hook.folder / "ca.crt").read_bytes()).decode()
    only["clientConfig"] = {
        "url": f"https://127.0.0.1:{hook.port}/validate",
        "caBundle": bundle,
    }
    other = WRONG.replace("hooked", "asked-for")
    cluster.do("create", "-f", "-", given=json.dumps(found))
    try:
        # The server hears of configurations by a watch.
        until(lambda: apply(cluster, other, "--dry-run=server").returncode, "it is not asked")
        yield hook
    finally:
        cluster.do("delete", "validatingwebhookconfigurations", found["metadata"]["name"])
        until(
            lambda: not apply(cluster, other, "--dry-run=server").returncode, "it is asked for ever"
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("webhook")
    authority(made)
    return made


@pytest.fixture(scope="class")
def hook(cluster, chart, folder):
    """A webhook that is asked."""
    with running(folder) as made, asking(cluster, chart, made):
        yield made
    assert "Traceback" not in (folder / "log").read_text()


def apply(cluster, text, *words):
    return cluster.run("apply", "--server-side", "--validate=ignore", *words, "-f", "-", given=text)


@pytest.fixture
def stored(cluster):
    """Remove the policy of these tests when one has ended."""
    yield
    cluster.do("delete", "--ignore-not-found", POLICY.plural, "hooked", "-n", NAMESPACE)


class TestAsked:
    """With a webhook that is asked all the time."""

    def test_what_nodes_would_refuse_is_refused(self, cluster, hook, stored):
        """With the reason and the field; nothing is stored. By the schema alone it passes: see the last class."""
        for words in (("apply", "-f", "-"), ("create", "--validate=ignore", "-f", "-")):
            done = cluster.run(*words, given=WRONG)

            assert done.returncode
            assert WHY in done.stderr
        assert (
            []
            == cluster.get(POLICY.plural, "-n", NAMESPACE, "--field-selector=metadata.name=hooked")[
                "items"
            ]
        )
        log = (hook.folder / "log").read_text()
        assert "refused EnforcerPolicy shop/hooked, because of spec.rules[0].match.paht" in log

    def test_all_that_passes_the_schema_and_is_broken(self, cluster, hook):
        """Each is refused with its field; without the webhook, the server takes them (test_kube_definitions.py)."""
        texts = {what: text for what, (text, who) in BROKEN.items() if who == READER}

        done = {what: apply(cluster, text, "--dry-run=server") for what, text in texts.items()}

        assert len(texts) > 20
        assert [] == [what for what, each in done.items() if not each.returncode]
        for what, text in texts.items():
            wrong = broken(text)
            place = "rules: " if "rules" in wrong else "sepc: " if "sepc" in wrong else "spec"
            assert f"denied the request: {place}" in done[what].stderr, what

    @pytest.mark.parametrize("kind", [POLICY, CLUSTER_POLICY], ids=lambda kind: kind.kind)
    def test_shipped_policies_are_taken_unchanged(self, cluster, hook, kind):
        """As without it. What may lock everybody out is a warning."""
        wanted = list(shipped(kind))
        items = {"apiVersion": "v1", "kind": "List", "items": wanted}
        before = hook.asked

        done = cluster.run("apply", "-f", "-", given=json.dumps(items))

        assert 0 == done.returncode, done.stderr
        found = {
            each["metadata"]["name"]: each["spec"]
            for each in cluster.get(kind.plural, "-A")["items"]
        }
        for each in wanted:
            assert each["spec"] == found[each["metadata"]["name"]]
        assert len(wanted) == hook.asked["allowed"] - before["allowed"]
        warned = "Warning: enforcer: spec.rules[0]: rule 'files' forbids everybody" in done.stderr
        assert (kind is CLUSTER_POLICY) is warned
        cluster.do("delete", kind.plural, "--all", *(["-n", NAMESPACE] if kind.namespaced else []))

    def test_the_article(self, cluster, hook):
        """Its own kind is asked about where the chart is told so."""
        text = (ROOT / "policies/examples/detect-bash-exec.yaml").read_text()
        wrong = text.replace("syscall:", "syscal:", 1)
        words = ("-n", NAMESPACE, "--dry-run=server")

        assert wrong != text
        assert 0 == apply(cluster, text, *words).returncode
        done = apply(cluster, wrong, *words)
        assert done.returncode
        assert "spec.rules[0]" in done.stderr

    @pytest.mark.parametrize("share", ["25%", "a quarter"])
    def test_a_rollout_of_a_new_policy(self, cluster, hook, stored, share):
        """A share goes by the uid, which the server has given when it asks. The name may be the server's, too."""
        meta = f'metadata: {{generateName: hooked-, namespace: shop, annotations: {{enforcer.dev/rollout-share: "{share}"}}}}\n'

        done = cluster.run("create", "--dry-run=server", "-f", "-", given=RIGHT.replace(META, meta))

        assert ("25%" == share) is (0 == done.returncode), done.stderr
        if done.returncode:
            assert (
                "metadata.annotations[enforcer.dev/rollout-share]: 'a quarter' is no share"
                in done.stderr
            )


@pytest.fixture
def was_broken(cluster, chart, folder):
    """A policy that was stored while nobody was asked, and a webhook that is asked since."""
    cluster.do("apply", "--server-side", "-f", "-", given=WRONG)
    with running(folder) as made, asking(cluster, chart, made):
        yield made
    words = ("delete", "--ignore-not-found", "--wait=false")
    cluster.do(*words, POLICY.plural, "hooked", "-n", NAMESPACE)


def of_policy(*words):
    return (*words, POLICY.plural, "hooked", "-n", NAMESPACE)


class TestOneThatWasBrokenBefore:
    """Each begins without a webhook, and stores what is refused above: the control of all of it."""

    def test_all_but_its_rules_can_be_changed(self, cluster, was_broken):
        """Labels, finalizers, a rollout, and it can be removed. Rules are refused until they are right."""
        cluster.do(*of_policy("label"), "a=b")
        finalizers = '{"metadata": {"finalizers": ["example.org/keep"]}}'
        cluster.do(*of_policy("patch"), "--type=merge", f"--patch={finalizers}")
        done = cluster.run(*of_policy("annotate"), "enforcer.dev/rollout-mode=audit")
        assert 0 == done.returncode, done.stderr
        assert f"Warning: enforcer: nodes refuse it as before: {WHY}" in done.stderr
        wrong = apply(cluster, WRONG.replace("/bin/sh", "/bin/bash"))
        assert wrong.returncode
        assert WHY in wrong.stderr

        cluster.do(*of_policy("delete"), "--wait=false")
        cluster.do(
            *of_policy("patch"), "--type=merge", '--patch={"metadata": {"finalizers": null}}'
        )

        assert cluster.run(*of_policy("get")).returncode
        assert was_broken.asked["refused"] > 0
        assert 3 == was_broken.asked["unchecked"]

    def test_statuses_do_not_come_by(self, cluster, was_broken):
        """What agents write is not slowed by it, not even on a policy that is wrong."""
        before = was_broken.asked
        status = {"denials": 1, "nodes": {"total": 1, "active": 0, "degraded": 0, "refused": 1}}
        head = {**yaml.safe_load(HEAD), **yaml.safe_load(META)}

        for number in range(5):
            text = json.dumps({**head, "status": {**status, "denials": number}})
            cluster.do("apply", "--server-side", "--subresource=status", "-f", "-", given=text)

        assert 4 == cluster.get(*of_policy())["status"]["denials"]
        assert before == was_broken.asked

    @pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP], ids=["away", "silent"])
    def test_without_it_policies_are_stored(self, cluster, was_broken, what):
        """Whether it is gone or stands still: it never keeps a policy away."""
        changed = WRONG.replace("/bin/sh", "/bin/bash")
        assert apply(cluster, changed).returncode

        was_broken.process.send_signal(what)

        done = apply(cluster, changed)
        was_broken.process.send_signal(signal.SIGCONT)
        assert 0 == done.returncode, done.stderr
        if what == signal.SIGKILL:
            was_broken.process.wait()


def test_the_chart_has_known_fields_only(helm):
    """As for the plain manifests, which have no webhook."""
    words = ["template", "x", CHART, "--set=webhook.enabled=true"]
    made = subprocess.check_output([helm, *words], stderr=subprocess.DEVNULL, text=True)

    assert "" == decode(made)
    assert decode(made.replace("failurePolicy", "failurepolicy"))


def test_upgrades_keep_the_certificate(cluster, helm, tmp_path):
    """What the cluster has is taken. This server has no kinds but the secret's: of the chart that part is asked."""
    folder = tmp_path / "chart"
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("crds", "templates"))
    about = (folder / "Chart.yaml").read_text()
    (folder / "Chart.yaml").write_text(about.replace("kubeVersion", "# "))  # it tells no version
    (folder / "templates").mkdir()
    shutil.copy(CHART / "templates/_names.tpl", folder / "templates")
    whole = (CHART / "templates/webhook.yaml").read_text()
    part, mark, _ = whole.partition("# Checks policies for API servers")
    assert mark
    (folder / "templates/webhook.yaml").write_text(part + "{{- end }}\n")

    def made():
        words = ["--dry-run=server", f"--kubeconfig={cluster.config}", f"--namespace={NAMESPACE}"]
        text = subprocess.check_output(
            [helm, "template", "enforcer", folder, "--set=webhook.enabled=true", *words],
            stderr=subprocess.DEVNULL,
        )
        (secret,) = (each for each in yaml.safe_load_all(text) if each)
        return secret

    first, other = made(), made()
    owner = {"name": "enforcer", "namespace": NAMESPACE}
    notes = {f"meta.helm.sh/release-{word}": value for word, value in owner.items()}
    first["metadata"]["annotations"] = notes
    cluster.do("create", "-f", "-", given=json.dumps(first))
    kept = made()
    cluster.do("delete", "secret", NAME, "-n", NAMESPACE)

    assert first["data"] == kept["data"]
    assert first["data"] != other["data"]
    assert made()["data"] != kept["data"]
