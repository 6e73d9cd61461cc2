# SPDX-License-Identifier: MIT
"""Objects for an API server: the policies that are shipped, and broken ones with who refuses each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from plain import documents

from enforcer.policy.language.kube import API_VERSION, CLUSTER_POLICY, POLICY, KubeKind
from enforcer.policy.store import policy_files

__all__ = [
    "BROKEN",
    "FORMS",
    "NAMESPACE",
    "READER",
    "SERVER",
    "broken",
    "for_reader",
    "quoted",
    "shipped",
]

ROOT: Final = Path(__file__).parents[1]
NAMESPACE: Final = "shop"
SERVER, READER = "server", "reader"


def shipped(kind: KubeKind) -> Iterator[dict[str, Any]]:
    """Yield each policy of policies/ as an object of *kind*."""
    for path in policy_files(ROOT / "policies"):
        for document in documents(path.read_bytes()):
            metadata = {"name": document["metadata"]["name"]}
            if kind.namespaced:
                metadata["namespace"] = NAMESPACE
            yield {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": metadata,
                "spec": document["spec"],
            }


def for_reader(found: dict[str, Any]) -> str:
    """Return *found*, as the server has it, as text for the reader of policies: all but what the server adds."""
    kept = {key: value for key, value in found.items() if key not in {"metadata", "status"}}
    metadata = {
        key: found["metadata"][key] for key in ("name", "namespace") if key in found["metadata"]
    }
    return json.dumps({**kept, "metadata": metadata}, ensure_ascii=False)


def broken(text: str) -> dict[str, Any]:
    """Return the object of a text of :data:`BROKEN` as a client sends it, which reads YAML 1.1."""
    return yaml.safe_load(text)


def quoted(form: Any, key: str = "") -> Any:
    """Return *form* as it is with quotes around numbers that the language takes as texts, too."""
    if isinstance(form, dict):
        return {word: quoted(value, word) for word, value in form.items()}
    if isinstance(form, list):
        return [quoted(value, key) for value in form]
    is_number = isinstance(form, int) and not isinstance(form, bool)
    return str(form) if is_number and key not in {"index", "records", "errno", "signal"} else form


def _whole(kind: KubeKind, spec: str, name: str = "broken", more: str = "") -> str:
    place = f", namespace: {NAMESPACE}" if kind.namespaced else ""
    head = f"apiVersion: {API_VERSION}\nkind: {kind.kind}\nmetadata: {{name: {name}{place}}}\n"
    return f"{head}{more}{spec}\n"


def _spec(spec: str, kind: KubeKind = POLICY) -> str:
    return _whole(kind, f"spec: {spec}")


def _rule(rule: str, kind: KubeKind = POLICY) -> str:
    return _spec(f"{{rules: [{rule}]}}", kind)


def _match(match: str, event: str = "exec: {}") -> str:
    return _rule(f"{{{event}, match: {{{match}}}, action: deny}}")


_GOOD = "spec: {rules: [{exec: {}, action: deny}]}"
_MANY = ", ".join(["{exec: {}, action: log}"] * 257)

BROKEN: Final[dict[str, tuple[str, str]]] = {
    # the object
    "no spec": (_whole(POLICY, ""), SERVER),
    "spec is a list": (_spec("[]"), SERVER),
    "a name in capitals": (_whole(POLICY, _GOOD, name="Broken"), SERVER),
    "a name of 64 letters": (_whole(POLICY, _GOOD, name="a" * 64), SERVER),
    "rules beside spec": (_whole(POLICY, _GOOD, more="rules: []\n"), READER),
    "an unknown key beside spec": (_whole(POLICY, _GOOD, more="sepc: {}\n"), READER),
    # spec
    "an empty spec": (_spec("{}"), READER),
    "an unknown key of spec": (_spec("{rules: [{exec: {}, action: deny}], mod: audit}"), READER),
    "an unknown mode": (_spec("{mode: off, rules: [{exec: {}, action: deny}]}"), SERVER),
    "a mode in capitals": (_spec("{mode: Audit, rules: [{exec: {}, action: deny}]}"), SERVER),
    "no rules in the list": (_spec("{rules: []}"), SERVER),
    "rules is a mapping": (_spec("{rules: {}}"), SERVER),
    "more rules than a namespace may have": (_spec(f"{{rules: [{_MANY}]}}"), SERVER),
    "two rules of one name": (
        _rule("{name: a, exec: {}, action: deny}, {name: a, file: read, action: log}"),
        SERVER,
    ),
    "two rules of one name, in the cluster": (
        _rule("{name: a, exec: {}, action: deny}, {name: a, file: read, action: log}", CLUSTER_POLICY),
        READER,
    ),
    "an empty default": (_spec("{default: {}}"), SERVER),
    "a default of an unknown event": (_spec("{default: {exce: deny}}"), READER),
    "a default of an unknown verb": (_spec("{default: {exec: denny}}"), SERVER),
    "a default without events": (_spec("{default: deny}"), READER),
    "an empty selector": (_spec("{selector: {}, rules: [{exec: {}, action: deny}]}"), SERVER),
    "an unknown key of the selector": (
        _spec("{selector: {image: x}, rules: [{exec: {}, action: deny}]}"),
        READER,
    ),
    "allowDegraded is a text": (
        _spec("{allowDegraded: 'true', rules: [{exec: {}, action: deny}]}"),
        SERVER,
    ),
    "a message that is too long": (
        _spec(f"{{message: {'x' * 5000}, rules: [{{exec: {{}}, action: deny}}]}}"),
        SERVER,
    ),
    "an unknown placeholder": (
        _spec("{message: '{pod}', rules: [{exec: {}, action: deny}]}"),
        READER,
    ),
    # rules
    "a rule is a text": (_rule("exec"), SERVER),
    "a rule without an event": (_rule("{action: deny}"), SERVER),
    "a rule with two events": (_rule("{exec: {}, file: read, action: deny}"), SERVER),
    "a rule without an action": (_rule("{exec: {}}"), SERVER),
    "a misspelt action": (_rule("{exec: {}, acton: kill}"), SERVER),
    "a misspelt key beside an action": (_rule("{exec: {}, acton: kill, action: log}"), READER),
    "an unknown verb": (_rule("{exec: {}, action: block}"), SERVER),
    "an unknown verb with options": (_rule("{exec: {}, action: {block: {errno: EPERM}}}"), READER),
    "two verbs": (_rule("{exec: {}, action: {deny: {}, kill: {}}}"), READER),
    "no error": (_rule("{exec: {}, action: {deny: {errno: EFOO}}}"), READER),
    "no signal": (_rule("{exec: {}, action: {kill: {signal: SIGFOO}}}"), SERVER),
    "a signal that does not kill": (_rule("{exec: {}, action: {kill: {signal: SIGCHLD}}}"), SERVER),
    "an unknown severity": (_rule("{exec: {}, action: deny, severity: urgent}"), SERVER),
    "a name with a blank": (_rule("{exec: {}, action: deny, name: a b}"), SERVER),
    "a tag that YAML 1.1 reads as true": (_rule("{exec: {}, action: deny, tags: [yes]}"), SERVER),
    "an unknown onError": (_rule("{exec: {}, action: deny, onError: kill}"), SERVER),
    "onError of a mark on a rule that denies": (
        _rule("{exec: {}, action: deny, onError: mark}"),
        READER,
    ),
    "guard is a text": (_rule("{exec: {}, action: deny, guard: maybe}"), SERVER),
    "a limit of nothing": (_rule("{exec: {}, action: log, rateLimit: 0/m}"), SERVER),
    "a limit without a time": (_rule("{exec: {}, action: log, rateLimit: {records: 5}}"), SERVER),
    "a mark with a blank": (_rule("{exec: {}, mark: a b}"), SERVER),
    "a mark of nobody": (_rule("{exec: {}, mark: {name: a, of: me}}"), SERVER),
    "a mark of the host": (_rule("{exec: {}, mark: {name: a, of: host}}"), READER),
    "an unknown operation": (_rule("{file: raed, action: deny}"), SERVER),
    "an unknown operation in a list": (_rule("{file: [read, wirte], action: deny}"), SERVER),
    "no operation": (_rule("{file: [], action: deny}"), SERVER),
    "an unknown system call": (_rule("{syscall: opennat, action: kill}"), READER),
    "a path as exec": (_rule("{exec: /bin/sh, action: deny}"), READER),
    "a hook of the kernel in a namespace": (_rule("{lsm: task_prctl, action: deny}"), SERVER),
    "a hook with a blank": (_rule("{lsm: a b, action: deny}", CLUSTER_POLICY), SERVER),
    "a function at no end": (
        _rule("{kprobe: {function: do_unlinkat, at: end}, action: log}", CLUSTER_POLICY),
        SERVER,
    ),
    # conditions
    "match is a text": (_rule("{exec: {}, match: /bin/sh, action: deny}"), SERVER),
    "a misspelt condition": (_match("paht: /x"), READER),
    "a condition of another event": (_match("port: 80"), READER),
    "a relative path": (_match("path: bin/sh"), READER),
    "a path that is a number": (_match("path: 0755"), SERVER),
    "a path in a list that is a number": (_match("path: [/x, 1_000]"), SERVER),
    "a path behind an operator that is a boolean": (_match("path: {equal: on}"), SERVER),
    "no path": (_match("path: []"), SERVER),
    "an unknown operator": (_match("path: {matches: /x}"), READER),
    "a mode without quotes": (_match("mode: 0644", "file: chmod"), SERVER),
    "a mask without quotes": (_match("mode: {mask: 06000}", "file: chmod"), SERVER),
    "a mode that is not octal": (_match('mode: "8888"', "file: chmod"), READER),
    "a port above the largest": (_match("port: 65536", "network: connect"), SERVER),
    "a range of ports above the largest": (_match("port: 1-65536", "network: connect"), SERVER),
    "a name as address": (_match("address: example.org", "network: connect"), READER),
    "a user below zero": (_match("process: {uid: -1}"), SERVER),
    "a flag that is a text": (_match("fileless: 'yes'"), SERVER),
    "an empty process": (_match("process: {}"), SERVER),
    "a misspelt field of a process": (_match("process: {binray: /x}"), READER),
    "a mark without a time": (_match("within: {mark: a}"), SERVER),
    "a mark of another policy": (_match("within: {mark: other/a, last: 5s}"), READER),
    "an argument without an index": (_match("args: [{equal: -c}]"), SERVER),
    "an argument that is a number": (_match("args: [{index: 1, equal: 0755}]"), SERVER),
}  # fmt: skip
"""By what is wrong: the text of an object, and who refuses it. What the server takes, the reader refuses."""

FORMS: Final = (
    "{syscall: keyctl, action: log}",
    "{syscall: [keyctl, kill], match: {args: [{index: 0, in: [1, 0x1d, 7-9]}]}, action: {deny: {errno: ENOSYS}}}",
    "{syscall: {class: [keyring, clock]}, action: log}",
    "{lsm: task_prctl, match: {args: [{index: option, equal: 15}]}, action: deny}",
    "{lsm: {hook: [file_open, file_permission]}, action: log}",
    "{kprobe: {function: do_unlinkat, at: return}, match: {returns: {range: -5-3}}, action: log}",
    "{tracepoint: sched/sched_process_exec, action: log}",
    "{tracepoint: {event: sched_process_exec, raw: true}, action: log}",
    "{exec: , action: Deny}",
    "{exec: true, action: {kill: {signal: 15, errno: 13}}}",
    "{exec: {}, action: {deny: }, attempts: [EACCES, EPERM], tags: T1059.004}",
    "{file: {operations: [read], strict: true}, action: deny, onError: log, guard: false}",
    "{network: any, match: {process: {container: {name: web}, pod: {labels: {app: web}}}}, action: log}",
    "{exec: {}, match: {process: {pod: {labels: {matchExpressions: [{key: a, operator: In, values: [b]}]}}}}, action: log}",
)
"""Rules in forms that are easily got wrong."""
