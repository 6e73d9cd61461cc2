# SPDX-License-Identifier: MIT
"""The chart and the plain manifests: true to the program, to each other, and to what they promise."""

from __future__ import annotations

import base64
import contextlib
import importlib
import importlib.util
import json
import re
import ssl
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from enforcer import __version__, places
from enforcer.cli.commands import parser
from enforcer.cluster.agent import lease
from enforcer.cluster.agent.troubles import Troubles
from enforcer.cluster.webhook import server
from enforcer.cluster.webhook.certificate import Certificate
from enforcer.cluster.webhook.check_process import Limits
from enforcer.cluster.webhook.checkers import NUMBER
from enforcer.policy.language.kube import FOREIGN_KINDS, GROUP, KINDS, NODE, TETRAGON_POLICY

ROOT = Path(__file__).parents[2]
CHART = ROOT / "packaging/kubernetes/chart"
PLAIN = ROOT / "packaging/kubernetes/enforcer.yaml"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
RENDER = ROOT / "scripts/kube/render-manifests.py"
OBJECTS = list(yaml.safe_load_all(PLAIN.read_text()))


def one(kind, name=None):
    """Return the object of *kind* in the plain manifests."""
    (found,) = (
        each
        for each in OBJECTS
        if each["kind"] == kind and name in {None, each["metadata"]["name"]}
    )
    return found


POD = one("DaemonSet")["spec"]["template"]["spec"]
ENGINE, AGENT = POD["containers"]


def test_the_chart_is_of_this_version():
    """Both numbers, since the chart comes with the program."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert __version__ == chart["version"] == chart["appVersion"]


def test_the_image_has_the_name_that_the_manifests_ask_for(monkeypatch):
    """As runtimes load it, with nothing to add."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    made = importlib.import_module("make-image")

    images = {each["image"] for each in (*POD["initContainers"], ENGINE, AGENT)}

    assert {made.name_of(f"{__version__}-1")} == {made.name_of(__version__)} == images


def test_values_obey_their_schema():
    """And each is in it, at every depth."""
    jsonschema.Draft7Validator(SCHEMA).validate(VALUES)
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert VALUES.keys() == SCHEMA["properties"].keys() - {"global"}
    for key, value in VALUES.items():
        known = SCHEMA["properties"][key].get("properties")
        assert known is None or known.keys() == value.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent": {"user": 0}},
        {"agent": {"usr": 1}},
        {"engine": {"persist": "yes"}},
        {"host": {"state": "relative"}},
        {"networkPolicy": {"ports": []}},
        {"networkPolicy": {"cidrs": []}},
        {"networkPolicy": {"cidrs": ["2001:db8::1"]}},
        {"tolerance": []},
        {"webhook": {"user": 0}},
        {"webhook": {"replicas": 0}},
        {"webhook": {"timeoutSeconds": 31}},
        {"webhook": {"from": ["anywhere"]}},
        {"webhook": {"failurePolicy": "Fail"}},
        {"webhook": {"certificate": {"source": "mine"}}},
        {"webhook": {"certificate": {"source": "secret", "secretName": "tls"}}},
        {"webhook": {"certificate": {"source": "secret", "caBundle": "QUJD"}}},
        {
            "webhook": {
                "certificate": {"source": "secret", "secretName": "tls", "caBundle": "-----"}
            }
        },
        {"webhook": {"certificate": {"source": "certManager", "secretName": "tls"}}},
    ],
)
def test_wrong_values_are_refused(wrong):
    """The agent is never root, and no value is misspelt."""
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(VALUES | wrong)


@pytest.fixture(scope="module")
def helm():
    """The program, or the reason why there is none."""
    spec = importlib.util.spec_from_file_location("render_manifests", RENDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    program = module.helm()
    if program is None:
        pytest.skip("there is no helm: scripts/kube/fetch-helm.py build/helm/helm gets it")
    return module, program


def test_the_plain_manifests_are_those_of_the_chart(helm):
    """To renew them: scripts/kube/render-manifests.py --write packaging/kubernetes/enforcer.yaml."""
    module, program = helm

    assert PLAIN.read_text() == module.manifests(program)


def test_helm_finds_nothing_wrong(helm):
    """Not even what it would only warn of."""
    done = subprocess.run([helm[1], "lint", "--strict", CHART], capture_output=True, check=False)

    assert 0 == done.returncode, done.stdout


def test_values_reach_the_objects(helm):
    """Those that people set most."""
    values = {
        "podLabels.k8s-app": "tetragon",
        "engine.containerName": "tetragon",
        "engine.persist": "false",
        "engine.audit": "true",
        "agent.user": "1234",
        "agent.events": "false",
        "roles.aggregate": "true",
        "networkPolicy.enabled": "false",
        "image.tag": "x",
    }
    words = [f"--set={key}={value}" for key, value in values.items()]

    found = [each for each in yaml.safe_load_all(helm[0].render(helm[1], *words)) if each]

    kinds = [each["kind"] for each in found]
    assert "NetworkPolicy" not in kinds
    template = found[kinds.index("DaemonSet")]["spec"]["template"]
    engine, agent = template["spec"]["containers"]
    assert "tetragon" == template["metadata"]["labels"]["k8s-app"] == engine["name"]
    assert {"--no-persist", "--audit", "--policy-owner=1234"} <= set(engine["args"])
    assert 1234 == agent["securityContext"]["runAsUser"]
    assert "--no-events" in agent["args"]
    rules = [rule for each in found for rule in each.get("rules") or ()]
    assert not any("events" in rule["resources"] for rule in rules)
    assert engine["image"] == agent["image"] == "localhost/enforcer:x"
    labels = [each["metadata"]["labels"] for each in found if each["kind"] == "ClusterRole"]
    assert 3 == len([key for each in labels for key in each if "aggregate-to" in key])


def test_kinds_of_others_are_those_of_the_agent(helm):
    """For each: a value that may say it, the agent's option, and the right to follow it."""
    kinds = [kind.kind for kind in FOREIGN_KINDS]
    told = SCHEMA["properties"]["agent"]["properties"]["alsoKinds"]["items"]["enum"]
    found = list(
        yaml.safe_load_all(helm[0].render(helm[1], f"--set=agent.alsoKinds={{{','.join(kinds)}}}"))
    )

    assert kinds == told
    (template,) = (each["spec"]["template"] for each in found if each["kind"] == "DaemonSet")
    agent = template["spec"]["containers"][1]
    assert [f"--also={kind}" for kind in kinds] == [a for a in agent["args"] if "--also" in a]
    (rules,) = (
        each["rules"]
        for each in found
        if each["kind"] == "ClusterRole" and each["metadata"]["name"] == "enforcer-agent"
    )
    for kind in FOREIGN_KINDS:
        rule = {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["list", "watch"]}
        assert rule in rules


def test_a_wrong_value_stops_helm(helm):
    """Instead of making something else of it."""
    with pytest.raises(RuntimeError, match="user"):
        helm[0].render(helm[1], "--set=agent.user=0")


def parsed(container):
    """Return what the program makes of the words with which *container* starts; it ends if it knows one not."""
    program, command = container["command"]
    assert "enforcer" == program
    return parser([command]).parse_args([command, *container["args"]])


def test_engine_and_agent_meet_in_the_same_folders():
    """Each option is one of its program, and what one writes the other reads, as the same user."""
    agent, engine = parsed(AGENT), parsed(ENGINE)

    assert VALUES["agent"]["user"] == engine.policy_owner
    assert [places.POLICIES, agent.folder / "policies"] == list(map(Path, engine.policies))
    assert agent.folder / "pods" == Path(engine.pods_dir)
    assert agent.results == engine.results
    assert str(agent.results.parent) in {each["mountPath"] for each in AGENT["volumeMounts"]}
    assert engine.tolerant
    assert engine.allow_empty
    assert engine.persist
    mounted = {each["mountPath"]: each.get("readOnly", False) for each in ENGINE["volumeMounts"]}
    assert mounted[str(agent.folder)]
    assert mounted[str(places.POLICIES)]
    assert not mounted[str(places.LAST_GOOD.parent)]
    assert not mounted[str(places.SOCKET.parent)]
    made = POD["initContainers"][0]["command"]
    mounts = {
        mount["name"]: mount["mountPath"] for mount in POD["initContainers"][0]["volumeMounts"]
    }
    assert {f"{mounts['kube']}/{name}" for name in ("policies", "pods", "agent")} <= set(made)
    assert ["NODE_NAME", "POD_NAMESPACE"] == [each["name"] for each in AGENT["env"]]


def test_the_role_names_the_lease_that_the_agent_asks_for():
    """And no other; what is made has no name that a rule could tell."""
    create, rest = one("Role")["rules"]

    assert ["create"] == create["verbs"]
    assert [lease.NAME] == rest["resourceNames"]
    assert one("Role")["metadata"]["namespace"] == one("DaemonSet")["metadata"]["namespace"]


def test_the_agent_has_no_rights():
    """No user of the host, no capability, no file of its own image that it can change."""
    security = AGENT["securityContext"]

    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert {"drop": ["ALL"]} == security["capabilities"]
    assert VALUES["agent"]["user"] == security["runAsUser"] == security["runAsGroup"]
    assert "privileged" not in security


def test_only_the_agent_has_a_token():
    """Who takes over the engine has the node; who takes over the agent must not have the engine's rights."""
    assert not POD["automountServiceAccountToken"]
    assert not one("ServiceAccount")["automountServiceAccountToken"]
    holders = [
        each["name"]
        for each in (*POD["initContainers"], *POD["containers"])
        if "token" in {mount["name"] for mount in each["volumeMounts"]}
    ]
    assert [AGENT["name"]] == holders


def test_folders_belong_to_who_writes_them():
    """The engine does not write where the agent could put a link, nor the agent anywhere else."""
    writers = {
        each["name"]: {m["name"] for m in each["volumeMounts"] if not m.get("readOnly")}
        for each in POD["containers"]
    }

    assert {"bpf", "run", "state"} == writers[ENGINE["name"]]
    assert {"kube"} == writers[AGENT["name"]]
    (folders,) = POD["initContainers"]
    owner = str(VALUES["agent"]["user"])
    assert [owner, owner] == [
        folders["command"][folders["command"].index(o) + 1] for o in ("-o", "-g")
    ]
    assert {"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]} == folders["securityContext"][
        "capabilities"
    ]


def test_the_engine_sees_the_host():
    """What docs/container.md mounts, and nothing of the host besides but what it shares with the agent."""
    page = (ROOT / "docs/container.md").read_text()
    wanted = set(re.findall(r"-v (/sys/\S+?):", page))
    mounted = {mount["mountPath"] for mount in ENGINE["volumeMounts"]}

    assert wanted
    assert wanted == {path for path in mounted if path.startswith("/sys/")}
    assert POD["hostPID"]
    assert "hostNetwork" not in POD
    assert ENGINE["securityContext"]["privileged"]


def test_nobody_connects_to_a_node():
    """And the agent only to the ports of API servers."""
    found = one("NetworkPolicy")["spec"]

    assert one("DaemonSet")["spec"]["selector"] == found["podSelector"]
    assert [] == found["ingress"]
    assert [443, 6443] == [each["port"] for rule in found["egress"] for each in rule["ports"]]


# ---- The webhook --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooked(helm):
    """Return what the chart makes more with the webhook, by kind and name, with further values."""

    def made(**values):
        words = [f"--set=webhook.{key.replace('__', '.')}={value}" for key, value in values.items()]
        found = yaml.safe_load_all(helm[0].render(helm[1], "--set=webhook.enabled=true", *words))
        known = {(each["kind"], each["metadata"]["name"]) for each in OBJECTS}
        all_of_it = [each for each in found if each]
        more = {(each["kind"], each["metadata"]["name"]): each for each in all_of_it}
        assert known - more.keys() <= {("Namespace", "enforcer")}
        return {kind: each for (kind, name), each in more.items() if (kind, name) not in known}

    return made


def test_there_is_no_webhook_by_default():
    """The plain manifests have none, and neither has the chart before somebody wants it."""
    assert not VALUES["webhook"]["enabled"]
    assert not any("ebhook" in each["kind"] + each["metadata"]["name"] for each in OBJECTS)


def test_the_webhook_has_no_rights(hooked):
    """No token, no capability, no file that it could change, no way out; and its port for whoever may ask."""
    found = hooked(**{"from": "{192.0.2.0/24}"})

    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert not {"serviceAccountName", "hostPID", "hostNetwork"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] not in {0, VALUES["agent"]["user"]}
    assert {"type": "RuntimeDefault"} == pod["securityContext"]["seccompProfile"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == container["securityContext"]
    assert [True] == [each["readOnly"] for each in container["volumeMounts"]]
    assert [{"secret"}] == [each.keys() - {"name"} for each in pod["volumes"]]
    policy = found["NetworkPolicy"]["spec"]
    port = [{"protocol": "TCP", "port": 9443}]
    assert [{"ports": port, "from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}] == policy["ingress"]
    assert [] == policy["egress"]
    assert ["Ingress", "Egress"] == policy["policyTypes"]
    assert "from" not in hooked()["NetworkPolicy"]["spec"]["ingress"][0]
    assert not any("Role" in kind or kind == "ServiceAccount" for kind in found)


def test_the_parts_of_the_webhook_meet(hooked):
    """Its options are those of the program; port, path, names and labels are the same everywhere, and not the node's."""
    found = hooked()

    template = found["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert ENGINE["image"] == container["image"]
    args = parsed(container)
    (port,) = container["ports"]
    assert ("::", port["containerPort"]) == args.listen
    mount = Path(container["volumeMounts"][0]["mountPath"])
    secret = template["spec"]["volumes"][0]["secret"]
    assert {mount / each["path"] for each in secret["items"]} == {args.certificate, args.key}
    labels = template["metadata"]["labels"]
    selectors = [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ]
    assert [labels] * 4 == selectors
    assert labels != one("DaemonSet")["spec"]["selector"]["matchLabels"]
    (hook,) = found["ValidatingWebhookConfiguration"]["webhooks"]
    (service,) = found["Service"]["spec"]["ports"]
    where = hook["clientConfig"]["service"]
    assert (found["Service"]["metadata"]["name"], "enforcer") == (where["name"], where["namespace"])
    assert (server.VALIDATE, service["port"]) == (where["path"], where["port"])
    assert service["targetPort"] == port["name"]
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert (server.HEALTH, "https", "HTTPS") == (asked["path"], asked["port"], asked["scheme"])


def test_what_the_webhook_is_asked_about(hooked):
    """New policies of ours and changes of them, and nothing else; nothing waits for it but for a few seconds."""
    (hook,) = hooked()["ValidatingWebhookConfiguration"]["webhooks"]
    (more,) = hooked(tetragonPolicies="true")["ValidatingWebhookConfiguration"]["webhooks"]

    assert "Ignore" == hook["failurePolicy"]
    assert "None" == hook["sideEffects"]
    assert "Equivalent" == hook["matchPolicy"]
    assert Limits().seconds < hook["timeoutSeconds"] <= 5
    assert not {"namespaceSelector", "objectSelector", "matchConditions"} & hook.keys()
    (rule,) = hook["rules"]
    ours = [kind for kind in KINDS if kind is not NODE]
    assert [GROUP] == rule["apiGroups"]
    assert [kind.plural for kind in ours] == rule["resources"]
    assert ["CREATE", "UPDATE"] == rule["operations"]
    assert ["v1"] == rule["apiVersions"] == hook["admissionReviewVersions"]
    assert [rule] == more["rules"][:1]
    other = more["rules"][1]
    assert ([TETRAGON_POLICY.group], [TETRAGON_POLICY.plural]) == (
        other["apiGroups"],
        other["resources"],
    )


def test_the_memory_of_the_webhook_is_that_of_its_limits(hooked):
    """All that may be there at once: checks, bodies, and what the program takes."""
    limit = hooked()["Deployment"]["spec"]["template"]["spec"]["containers"][0]["resources"]

    mebibytes = int(limit["limits"]["memory"].removesuffix("Mi"))
    assert NUMBER * Limits().memory + 2 * server.Bounds().held + (96 << 20) <= mebibytes << 20


def test_one_webhook_has_no_disruption_budget(hooked):
    """It would keep its node from being drained."""
    assert "PodDisruptionBudget" not in hooked(replicas=1)
    assert 1 == hooked(replicas=3)["PodDisruptionBudget"]["spec"]["maxUnavailable"]


def test_the_certificate_of_the_chart(hooked, tmp_path):
    """Servers that ask by the name of the service trust it, and it comes with no key of its authority."""
    found = hooked(certificate__days=7)

    files = {key: base64.b64decode(text) for key, text in found["Secret"]["data"].items()}
    assert {"ca.crt", "tls.crt", "tls.key"} == files.keys()
    assert "kubernetes.io/tls" == found["Secret"]["type"]
    (hook,) = found["ValidatingWebhookConfiguration"]["webhooks"]
    assert files["ca.crt"] == base64.b64decode(hook["clientConfig"]["caBundle"])
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    authority = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    used = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key", Troubles(print), print).context
    shake_hands(authority, used, "enforcer-webhook.enforcer.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority, used, "other.enforcer.svc")


def shake_hands(ours, theirs, name):
    """Let two ends of TLS meet in memory."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        ours.wrap_bio(one, other, server_hostname=name),
        theirs.wrap_bio(other, one, server_side=True),
    ]
    for _ in range(4):
        for each in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                each.do_handshake()
    assert ends[0].version() in {"TLSv1.2", "TLSv1.3"}


def test_certificates_of_others(hooked):
    """Of an administrator, and of cert-manager."""
    mine = hooked(
        certificate__source="secret", certificate__secretName="tls", certificate__caBundle="QUJD"
    )
    managed = hooked(
        certificate__source="certManager",
        certificate__secretName="tls",
        certificate__certManager="enforcer/webhook",
    )

    for found in (mine, managed):
        assert "Secret" not in found
        (volume,) = found["Deployment"]["spec"]["template"]["spec"]["volumes"]
        assert "tls" == volume["secret"]["secretName"]
    (hook,) = mine["ValidatingWebhookConfiguration"]["webhooks"]
    assert "QUJD" == hook["clientConfig"]["caBundle"]
    configuration = managed["ValidatingWebhookConfiguration"]
    assert "caBundle" not in configuration["webhooks"][0]["clientConfig"]
    notes = configuration["metadata"]["annotations"]
    assert {"cert-manager.io/inject-ca-from": "enforcer/webhook"} == notes


def test_helm_finds_nothing_wrong_with_the_webhook(helm):
    """Not even what it would only warn of."""
    words = ["lint", "--strict", CHART, "--set=webhook.enabled=true"]
    done = subprocess.run([helm[1], *words], capture_output=True, check=False)

    assert 0 == done.returncode, done.stdout
