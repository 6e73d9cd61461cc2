# SPDX-License-Identifier: MIT
"""An API server over TLS on loopback, with a store, versions and watches, that fails as it is told to."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from patience import scaled

from enforcer.cluster.agent.watcher import Pace

POLICIES = "/apis/enforcer.dev/v1/enforcerpolicies"
CLUSTER = "/apis/enforcer.dev/v1/clusterenforcerpolicies"
TETRAGON = "/apis/cilium.io/v1alpha1/tetragonpolicies"
NODES = "/apis/enforcer.dev/v1/enforcernodes"
PODS = "/api/v1/pods"
MACHINES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/leases"
KINDS = {
    POLICIES: "EnforcerPolicy",
    CLUSTER: "ClusterEnforcerPolicy",
    TETRAGON: "TetragonPolicy",
    NODES: "EnforcerNode",
    PODS: "Pod",
    MACHINES: "Node",
    LEASES: "Lease",
}

SPEC = {"rules": [{"exec": {}, "match": {"path": "/bin/sh"}, "action": "deny"}]}

QUICK = Pace(
    watch=(20.0, 30.0), silence=1.0, answer=0.5, absent=(0.05, 0.1), pause=0.01, longest=0.05
)

GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


def authority(folder: Path) -> tuple[Path, Path]:
    """Make an authority that vouches for 127.0.0.1 alone, or skip; returns its certificate, and that with the key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes certificates, is not installed")
    key, certificate, both = folder / "key.pem", folder / "ca.crt", folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=fake",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return certificate, both


def old_authority(folder: Path) -> tuple[Path, Path]:
    """Make the same as clusters have that are older than Kubernetes 1.19: no key has an identifier."""
    settings = folder / "openssl.cnf"
    settings.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    bare = ("-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none")
    top, own = ((folder / f"{name}.key", folder / f"{name}.crt") for name in ("ca", "server"))
    use = "keyUsage=critical,digitalSignature,keyCertSign"
    for (key, certificate), words in (
        (top, ("-subj", "/CN=ca", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", use)),
        (
            own,
            (
                *("-subj", "/CN=server", "-CA", str(top[1]), "-CAkey", str(top[0])),
                *("-addext", "basicConstraints=critical,CA:FALSE"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
            ),
        ),
    ):
        made = ("-keyout", str(key), "-out", str(certificate))
        subprocess.run(
            ["openssl", "req", "-x509", "-config", str(settings), *kind, *bare, *words, *made],
            check=True,
            capture_output=True,
        )
    both = folder / "both.pem"
    both.write_bytes(b"".join(path.read_bytes() for path in own))
    return top[1], both


def _has_empty_text(found) -> bool:
    if isinstance(found, dict):
        return any(map(_has_empty_text, found.values()))
    if isinstance(found, list):
        return any(map(_has_empty_text, found))
    return found == ""


@attrs.define(eq=False)
class FakeServer:
    """
    The server. Its store counts versions as etcd does: one number for all.

    Attributes:
        faults: of the next requests, each taken by one: see :meth:`_Handler.fail`.
        write_faults: the same, of the next writes of statuses by who sums up.
        forbidden: collections whose objects nobody may have.
        requests: all that came, as method, path and query.
        tokens: that are valid.
        bookmark: seconds between two bookmarks of a watch.
        deleted: every object that was ever deleted, by path and key.
        no_owners: nobody may name an owner.
        pages: how many objects a part of a list has at most, whatever is asked for.
    """

    both: Path
    tokens: set = attrs.field(factory=lambda: {"good"})
    faults: deque = attrs.field(factory=deque)
    write_faults: deque = attrs.field(factory=deque)
    forbidden: set = attrs.field(factory=set)
    requests: list = attrs.field(factory=list)
    bookmark: float = 0.2
    deleted: set = attrs.field(factory=set)
    no_owners: bool = False
    pages: int = 1000
    store: dict = attrs.field(factory=lambda: {path: {} for path in KINDS})
    version: int = 100
    oldest: int = 100
    log: list = attrs.field(factory=list)
    changed: threading.Condition = attrs.field(factory=threading.Condition)
    is_closing: bool = False
    port: int = 0
    _server: ThreadingHTTPServer | None = None
    _open: set = attrs.field(factory=set)

    # ---- Life ------------------------------------------------------------------------------------

    def start(self) -> FakeServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.both)
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self._server.context = context
        self.port = self._server.server_address[1]
        self.is_closing = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End, and cut every connection off."""
        self.is_closing = True
        with self.changed:
            self.changed.notify_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for each in list(self._open):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
            self._server = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    # ---- Objects ---------------------------------------------------------------------------------

    def put(self, path, key, *, spec=SPEC, meta=None, **more):
        """Make or change an object."""
        with self.changed:
            self.version += 1
            old = self.store[path].get(key)
            namespace, name = key
            metadata = {
                "name": name,
                "uid": old["metadata"]["uid"] if old else str(uuid.uuid4()),
                "resourceVersion": str(self.version),
                "generation": (old["metadata"]["generation"] if old else 0) + 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "kubectl", "operation": "Apply"}],
                **(meta or {}),
            }
            if namespace:
                metadata["namespace"] = namespace
            group = "v1" if path in {PODS, MACHINES} else "enforcer.dev/v1"
            item = {"apiVersion": group, "kind": KINDS[path], "metadata": metadata, "spec": spec}
            item |= more
            self.store[path][key] = item
            self._log(path, "MODIFIED" if old else "ADDED", item)
            return item

    def delete(self, path, key):
        """Delete an object, if it is there."""
        with self.changed:
            item = self.store[path].pop(key, None)
            if item is not None:
                self.version += 1
                self.deleted.add((path, key))
                item = copy.deepcopy(item)
                item["metadata"]["resourceVersion"] = str(self.version)
                self._log(path, "DELETED", item)

    def _log(self, path, kind, item):
        self.log.append((self.version, path, kind, copy.deepcopy(item)))
        self.changed.notify_all()

    def compact(self):
        """Forget history: watches from an older version are told so."""
        with self.changed:
            self.log.clear()
            self.oldest = self.version

    def backup(self):
        """Keep the store as it is now."""
        with self.changed:
            return copy.deepcopy((self.store, self.version))

    def restore(self, kept):
        """Go back to what was kept, with its smaller version, as etcd does; every server begins anew then."""
        self.stop()
        store, self.version = copy.deepcopy(kept)
        for path, objects in self.store.items():
            self.deleted |= {(path, key) for key in objects.keys() - store[path].keys()}
        self.store, self.oldest = store, min(self.oldest, self.version)
        self.log.clear()
        self.start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext

    def get_request(self):
        plain, address = super().get_request()
        plain.settimeout(20)
        # The handshake is the handler's, in its own thread.
        return self.context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request, client_address):
        """A client that goes away is no error here."""

    def shutdown_request(self, request):
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.fake._open.add(self.request)
        super().setup()

    def finish(self):
        self.fake._open.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_PATCH(self):
        self._serve("PATCH")

    def do_POST(self):
        self._serve("POST")

    def do_PUT(self):
        self._serve("PUT")

    def _serve(self, method):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fake.requests.append((method, parts.path, query))
        is_total = query.get("fieldManager") == "enforcer-totals"
        faults = self.fake.write_faults if is_total else self.fake.faults
        fault = faults.popleft() if faults else None
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.fake.tokens:
            self._status(401, "Unauthorized")
        elif _place_of(parts.path)[0] in self.fake.forbidden:
            self._status(403, "forbidden")
        elif fault is not None and self._is_done(fault):
            pass
        elif method == "PATCH":
            self._apply(parts.path, query, json.loads(body))
        elif method in {"POST", "PUT"}:
            self._write(method, parts.path, json.loads(body))
        elif parts.path not in KINDS:
            self._one(parts.path)
        elif "watch" in query:
            self._watch(parts.path, query, fault)
        else:
            self._list(parts.path, query, fault)

    # ---- Faults ----------------------------------------------------------------------------------

    def _is_done(self, fault):
        """Fail at once, if *fault* says so; others come in the middle."""
        match fault:
            case int():
                self._status(fault, "as it was told to")
            case "drop":
                self.close_connection = True
            case "garbage":
                self._answer(200, b"<html>not what was asked for</html>")
            case "wrong":
                self._answer(200, b'{"kind": "Table", "items": 7}')
            case "half":
                self.send_response(200)
                self.send_header("Content-Length", "5000")
                self.end_headers()
                self.wfile.write(b'{"kind": "EnforcerPolicyList", "metadata": {"resourceVer')
                self.close_connection = True
            case "silence":
                self._be_silent()
            case _:
                return False
        return True

    def _be_silent(self):
        with self.fake.changed:
            self.fake.changed.wait_for(lambda: self.fake.is_closing, 3)
        self.close_connection = True

    # ---- Answers ---------------------------------------------------------------------------------

    def _list(self, path, query, fault):
        if "as=PartialObjectMetadata;" in self.headers["Accept"]:
            self._status(
                406, "you requested PartialObjectMetadata, but the requested object is a list"
            )
            return
        with self.fake.changed:
            version, start = str(self.fake.version), 0
            if "continue" in query:
                version, start = json.loads(query["continue"])
                if fault == "expire" or int(version) < self.fake.oldest:
                    self._answer(410, json.dumps(GONE).encode())
                    return
            items = [
                item
                for _, item in sorted(self.fake.store[path].items())
                if _is_selected(item, query)
            ]
        size = min(int(query.get("limit", 1000)), self.fake.pages)
        meta = {"resourceVersion": version}
        if start + size < len(items):
            meta["continue"] = json.dumps([version, start + size])
        found = {
            "kind": f"{KINDS[path]}List",
            "apiVersion": "v1",
            "metadata": meta,
            "items": items[start : start + size],
        }
        self._answer(200, json.dumps(found).encode())

    def _watch(self, path, query, fault):
        fake, seen = self.fake, int(query["resourceVersion"])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if seen < fake.oldest or fault == "expire":
            self._line({"type": "ERROR", "object": GONE})
            self._end()
            return
        if "PartialObjectMetadataList" in self.headers["Accept"]:
            message = (
                "you requested PartialObjectMetadataList, but the requested object is not a list"
            )
            status = {"kind": "Status", "code": 406, "message": message}
            self._line({"type": "ERROR", "object": status})
            self._end()
            return
        end = time.monotonic() + float(query.get("timeoutSeconds", 60))
        marked = time.monotonic()
        while time.monotonic() < end and not fake.is_closing:
            with fake.changed:
                if seen >= fake.version:
                    fake.changed.wait(0.05)
                # Both at once: a bookmark must not be newer than what was told.
                news = [each for each in fake.log if each[0] > seen and each[1] == path]
                version = fake.version
            for number, _, kind, item in news:
                if not _is_selected(item, query):
                    continue
                if fault is not None:
                    self._spoil(fault, {"type": kind, "object": item})
                    return
                self._line({"type": kind, "object": item})
                seen = number
            if time.monotonic() - marked > fake.bookmark:
                marked, seen = time.monotonic(), max(seen, version) if not fake.is_closing else seen
                self._mark(path, version)
        if fake.is_closing:
            self.close_connection = True
            return
        self._end()

    def _spoil(self, fault, event):
        """Send *event* wrongly, and end."""
        raw = json.dumps(event).encode()
        self.close_connection = True
        match fault:
            case "cut-line":
                self._chunk(raw[: len(raw) // 2])
                self._end()
            case "cut-chunk":
                self.wfile.write(b"ffff\r\n" + raw[:20])
            case "bad-chunk":
                self.wfile.write(b"never\r\n" + raw)
            case "bad-line":
                self._chunk(b'{"type": "DELETED", "object": {"metadata": {"name": 7}}}\n')
            case "no-type":
                self._line({"object": event["object"]})
            case _:
                self._be_silent()

    def _mark(self, path, version):
        meta = {"resourceVersion": str(version), "creationTimestamp": None}
        self._line({"type": "BOOKMARK", "object": {"kind": KINDS[path], "metadata": meta}})

    def _one(self, path):
        place, key = _place_of(path)
        item = self.fake.store.get(place, {}).get(key)
        if item is None:
            self._status(404, "the server could not find the requested resource")
            return
        self._answer(200, json.dumps(item).encode())

    def _write(self, method, path, document):
        """Make an object, or replace the version of it that is named."""
        given = document["metadata"]
        key = (given["namespace"], given["name"])
        place, _ = _place_of(path if method == "PUT" else f"{path}/{given['name']}")
        with self.fake.changed:
            known = self.fake.store[place].get(key)
            version = known and known["metadata"]["resourceVersion"]
            if version != given.get("resourceVersion"):
                self._status(409, "the object has been modified")
                return
            meta = {"annotations": given.get("annotations", {})}
            item = self.fake.put(place, key, spec=document["spec"], meta=meta)
        self._answer(200, json.dumps(item).encode())

    def _apply(self, path, query, document):
        is_status = path.endswith("/status")
        place, key = _place_of(path.removesuffix("/status"))
        if place not in KINDS:
            self._status(404, "not found")
            return
        if query.get("force") != "true" or not query.get("fieldManager"):
            self._status(422, "a field manager that forces is needed")
            return
        known = self.fake.store[place].get(key, {})
        if is_status and not known:
            self._status(404, f"{key[1]} not found")
            return
        if is_status and _has_empty_text(document):
            self._status(422, "Kubernetes 1.20 makes null of an empty text where another was")
            return
        # A status is no new generation, and changes nothing else.
        kept = ("generation", "annotations", "ownerReferences")
        source = known if is_status else document
        meta = {word: source["metadata"][word] for word in kept if word in source["metadata"]}
        if not is_status and "ownerReferences" in meta and self.fake.no_owners:
            self._status(403, "cannot set an ownerRef on a resource you can't delete")
            return
        more = {"status": document.get("status") if is_status else known.get("status")}
        item = self.fake.put(place, key, spec=known.get("spec", {}), meta=meta, **more)
        self._answer(200, json.dumps(item).encode())

    def _status(self, code, message):
        self._answer(
            code, json.dumps({"kind": "Status", "code": code, "message": message}).encode()
        )

    def _answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _line(self, event):
        self._chunk(json.dumps(event).encode() + b"\n")

    def _chunk(self, raw):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def _end(self):
        self.wfile.write(b"0\r\n\r\n")


def _place_of(path):
    """Return the collection that an object is in, over all namespaces, and its key."""
    place, _, name = path.rpartition("/")
    group, _, rest = place.partition("/namespaces/")
    namespace, _, plural = rest.partition("/")
    return (f"{group}/{plural}", (namespace, name)) if plural else (place, ("", name))


def _is_selected(item, query):
    field, _, value = query.get("fieldSelector", "").partition("=")
    part, _, word = field.partition(".")
    return not field or item[part].get(word) == value


# ---- Who follows it ------------------------------------------------------------------------------


@attrs.define(eq=False)
class Running:
    """An agent in a thread, and what it said."""

    agent: object
    said: list
    thread: threading.Thread

    @property
    def policies(self):
        """What the files of policies say, by name."""
        return files_of(self.agent.plan.policies)

    @property
    def pods(self):
        return self.agent.plan.pods / "kube.json"

    def stop(self):
        self.agent.stop()
        self.thread.join(scaled(20))
        assert not self.thread.is_alive()


def files_of(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yaml":
            with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                found[path.name] = path.read_bytes()
    return found


def until(holds, seconds=20):
    """Wait until *holds* says so; whether it ever did."""
    end = time.monotonic() + scaled(seconds)
    while not (found := holds()):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return found
