# SPDX-License-Identifier: MIT
"""``enforcer start`` around a fake kernel: what is put together serves, and ends in order."""

import contextlib
import errno
import fcntl
import json
import os
import signal
import threading
import time
from pathlib import Path

import attrs
import jsonschema
import pytest
from control_fakes import ME
from fakes import ENFORCED, PREVENTED, FakeHits, FakeSession, raw_event
from patience import scaled

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.cli.schemas import schema
from enforcer.errors import ControlError, PolicyErrors
from enforcer.kernel.image_map import ImageHead
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.session import Session
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_text
from enforcer.policy.text.digest import digest_of
from enforcer.runtime import assembly
from enforcer.runtime.control.protocol import Client, NoDaemonError
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.instance.lock import noted_pins
from enforcer.runtime.policies.compile_process import make
from enforcer.runtime.policies.last_good import LastGood

POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - name: no-reads
      file: read
      match: {path: /srv/vault}
      action: deny
"""
DENIAL = {
    "op": Op.READ,
    "action": Verb.DENY,
    "flags": ENFORCED | PREVENTED,
    "error": 1,
    "path": b"/srv/vault",
}


@attrs.define
class StartedSession(FakeSession):
    """What enforcement asks of a session besides; a commit takes any image."""

    counted: tuple[FakeHits, ...] = ()
    is_blind: bool = False
    is_protected: bool = False
    guard: None = None
    seed: int = 1
    warnings: tuple[str, ...] = ()
    settled: None = None
    opened: object = None
    fallback: object = None
    expires_ns: int = 1 << 62
    is_confirmed: bool = False

    def image(self):
        return self.opened.data

    def fits(self, _image):
        return True

    def commit(self, image, *, fallback, **_):
        self.opened, self.fallback = image, fallback
        return self

    def confirm(self):
        self.is_confirmed = True

    def fall_back(self):
        self.opened, self.fallback = self.fallback, None

    def retired_hits(self):
        return None

    def note(self, _notes):
        self.heartbeats += 1


@pytest.fixture(autouse=True)
def heard():
    """Let every signal be heard, whatever this process was started with."""
    before = {
        n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def session(monkeypatch):
    """The session that the start opens, in a kernel that has all."""
    made = StartedSession()

    def opened(image, **_):
        made.opened = image
        return made

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(Session, "open", opened)
    for module in ("start", "enforcement"):
        monkeypatch.setattr(f"enforcer.runtime.policies.{module}.find_gaps", lambda: ())
        # Here: whoever asks is a thread of this process, and a process of threads does not fork.
        monkeypatch.setattr(
            f"enforcer.runtime.policies.{module}.make_apart", lambda order, *_, **__: make(order)
        )
    monkeypatch.setattr("enforcer.kernel.entries.problem", lambda: None)
    yield made
    made.close()


@pytest.fixture
def words(tmp_path):
    """The command, with every output that needs nobody else."""
    policy = tmp_path / "vault.yaml"
    policy.write_text(POLICY)
    policy.chmod(0o600)
    places = {"--socket": "s.sock", "--json-log": "log", "--metrics-file": "enforcer.prom"}
    options = [str(word) for key, name in places.items() for word in (key, tmp_path / name)]
    return ["start", "--quiet", "--no-pins", *options, str(policy)]


class Asking(threading.Thread):
    """Waits for the daemon at *path*, asks what *asks* wants, and ends the daemon."""

    def __init__(self, path, asks):
        super().__init__()
        self.path, self.asks, self.error = path, asks, None
        self.limit = time.monotonic() + scaled(120)
        self.start()

    def ask(self, command, **fields):
        with self.connect() as client:
            return client.ask(command, **fields)

    def connect(self):
        while True:
            try:
                return Client.connect(self.path, timeout=scaled(60))
            except NoDaemonError:
                if time.monotonic() > self.limit:
                    raise
            time.sleep(0.01)

    def run(self):
        try:
            self.asks(self.ask)
        except (ControlError, OSError) as error:
            self.error = error
        finally:
            self.end()

    def end(self):
        self.ask("stop")


def content(path):
    """Wait until something is in the file."""
    limit = time.monotonic() + scaled(30)
    while not (path.exists() and path.read_text()) and time.monotonic() < limit:
        time.sleep(0.01)
    return path.read_text()


@pytest.mark.parametrize("more", [[], ["--protect", "--no-watch"]])
def test_a_daemon_is_put_together(session, words, tmp_path, capfd, more):
    """Commands, changes, records, metrics and the end work on what the start has made."""
    got = {}

    def asks(ask):
        for command in ("status", "sources", "policy-list", "reload"):
            got[command] = ask(command)
        got["show"] = ask("policy-show", name="vault")
        got["mode"] = ask("policy-set-mode", name="vault", mode="audit")
        got["disable"] = ask("policy-disable", name="vault", confirmWithin=60)
        got["confirm"] = ask("confirm")
        session.happen(raw_event(**DENIAL))
        got["log"] = content(tmp_path / "log")
        got["metrics"] = content(tmp_path / "enforcer.prom")

    asking = Asking(tmp_path / "s.sock", asks)
    code = main([*words, *more])
    asking.join()

    out, err = capfd.readouterr()
    assert (0, None) == (code, asking.error), err
    assert f"policies reloaded by {ME}" in err
    assert "1 policy enforces, 1 rule, 3 programs, started in" in out
    assert "enforcer: stopped after" in out
    (policy,) = got["policy-list"]["policies"]
    assert [policy] == got["status"]["status"]["policies"]
    assert [words[-1]] == got["sources"]["sources"]["paths"]
    shown = got["show"]["policy"]
    assert {**policy, "message": None} == {
        key: value for key, value in shown.items() if key not in {"rows", "yaml"}
    }
    (printed,) = load_text(shown["yaml"].encode(), "shown.yaml").policies
    assert ("vault", ["no-reads"]) == (printed.name, [rule.name for rule in printed.rules])
    assert ["no-reads"] == [row["rule"] for row in got["show"]["policy"]["rows"]]
    changes = [got[command] for command in ("reload", "mode", "disable", "confirm")]
    assert [2, 3, 4, 4] == [change["generation"] for change in changes]
    assert 60 == got["disable"]["confirmWithin"]
    assert session.fallback is not None
    assert session.is_confirmed
    record = json.loads(got["log"])
    assert ("deny", "/srv/vault") == (record["action"], record["object"]["path"])
    assert "enforcer_policy_enabled" in got["metrics"]
    assert session.is_ended
    assert session.is_closed


def test_a_reload_waits_and_a_corrected_file_replaces_it(session, words, tmp_path, capfd):
    """The same file again is refused, a wrong one too; what was before comes back without another time to wait."""
    got, policy = {}, Path(words[-1])

    def asks(ask):
        ask("status")  # its start has read the file
        session.seed = ImageHead.of(session.opened.data).seed
        policy.write_text(POLICY.replace("/srv/vault", "/srv"))
        got["waits"] = ask("reload")
        with pytest.raises(ControlError, match="another change waits for confirmation for"):
            ask("reload")
        policy.write_text(POLICY.replace("deny", "dney"))
        with pytest.raises(PolicyErrors):
            ask("reload")
        got["still"] = ask("status")["status"]
        policy.write_text(POLICY.replace("/srv/vault", "/srv/other"))
        got["corrected"] = ask("reload")
        got["own"] = ask("status")["status"]["pending"]
        policy.write_text(POLICY)
        got["back"] = ask("reload")
        got["settled"] = ask("status")["status"]

    asking = Asking(tmp_path / "s.sock", asks)
    main([*words, "--no-watch", "--reload-confirm-within", "90s"])
    asking.join()

    err = capfd.readouterr().err
    assert asking.error is None, err
    assert (2, 90.0) == (got["waits"]["generation"], got["waits"]["confirmWithin"])
    assert 90.0 == got["still"]["pending"]["confirmWithin"]
    assert (4, 90.0) == (got["corrected"]["generation"], got["own"]["confirmWithin"])
    assert (5, True) == (got["back"]["generation"], got["back"]["unchanged"])
    assert [] == got["back"]["warnings"]
    assert got["settled"]["pending"] is None
    assert not got["settled"]["posture"]["returned"]
    assert 2 == err.count("the change that waited for confirmation is taken back")


@pytest.mark.parametrize("more", [["-"], ["/dev/stdout", "--no-quiet"]])
def test_records_alone_go_to_standard_output(session, words, tmp_path, capfd, more):
    """Every line is a record, also if somebody asks for those for people; the rest goes to the other one."""
    got = {}

    def asks(ask):
        session.happen(raw_event(**DENIAL))
        limit = time.monotonic() + scaled(30)
        while not ask("status")["status"]["records"]["total"] and time.monotonic() < limit:
            time.sleep(0.01)
        got["sinks"] = ask("status")["status"]["sinks"]

    words[words.index("--json-log") + 1] = more[0]
    asking = Asking(tmp_path / "s.sock", asks)
    code = main([*words[:-1], *more[1:], words[-1]])
    asking.join()

    out, err = capfd.readouterr()
    assert (0, None) == (code, asking.error), err
    (record,) = map(json.loads, out.splitlines())
    assert "/srv/vault" == record["object"]["path"]
    assert "enforcer: active: 1 policy enforces" in err
    assert "enforcer: stopped after" in err
    assert ["json log standard output"] == [sink["name"] for sink in got["sinks"]]


def test_standard_output_is_for_one(session, words, capfd):
    """Two formats in one stream nobody can read; nor a dashboard with records in it."""
    for more in (["--logfmt-log", "-"], ["--dashboard"]):
        words[words.index("--json-log") + 1] = "-"
        assert 2 == main([*words, *more])
    err = capfd.readouterr().err
    assert "json log standard output and logfmt log standard output write to the same place" in err
    assert "standard output is for records or for the dashboard" in err


def test_a_tolerant_start_says_what_is_refused(session, words, tmp_path, capfd, monkeypatch):
    """What a file said that is wrong now is active, and stays known to the next start."""
    good = tmp_path / "state" / "last-good.json"
    monkeypatch.setattr("enforcer.places.LAST_GOOD", good)
    folder = tmp_path / "policies"
    folder.mkdir(mode=0o700)
    words[-1] = str(folder)
    policy, other = folder / "vault.yaml", folder / "other.yaml"
    LastGood(good, (folder,)).write({str(policy): POLICY.encode()}, pytest.fail)
    for path in (policy, other):
        path.write_text("kind: [")
        path.chmod(0o600)
    got = []

    def asks(ask):
        got.append(ask("reload")["refused"])
        got.append([each["older"] for each in ask("policy-list")["policies"]])
        got.append(ask("sources")["sources"]["instead"])

    asking = Asking(tmp_path / "s.sock", asks)
    code = main([*words, "--no-watch", "--tolerant"])
    asking.join()

    out, err = capfd.readouterr()
    assert (0, None) == (code, asking.error), err
    assert "active: 1 policy enforces, 1 rule, 3 programs, 2 files refused" in out
    assert f"{other}:1:" in err or f"{other}:2:" in err
    refused, older, instead = got
    assert [False, True] == [each["kept"] for each in refused]
    assert [True] == older
    assert {str(other): None, str(policy): POLICY} == instead
    assert {str(policy): POLICY.encode()} == LastGood(good, (folder,)).read(pytest.fail)


def test_results_say_what_became_of_each_file(session, words, tmp_path, capfd, monkeypatch):
    """By the digest of the text that is meant; when something is refused, and when it is right again."""
    monkeypatch.setattr("enforcer.places.LAST_GOOD", tmp_path / "last-good.json")
    folder, results = tmp_path / "policies", tmp_path / "results.json"
    folder.mkdir(mode=0o700)
    words[-1] = str(folder)
    files = {name: folder / f"{name}.yaml" for name in ("vault", "audit", "wrong")}
    texts = {
        "vault": POLICY,
        "audit": POLICY.replace("vault}", "audit}").replace("spec:", "spec:\n  mode: audit"),
        "wrong": "kind: [",
    }
    for name, text in texts.items():
        files[name].write_text(text)
        files[name].chmod(0o600)
    seen = []

    def until(holds):
        end = time.monotonic() + scaled(60)
        while True:
            found = json.loads(results.read_text()) if results.exists() else None
            if found is not None and holds({p["file"]: p for p in found["policies"]}):
                seen.append(found)
                return
            if time.monotonic() > end:
                raise ControlError(f"never: {found}")
            time.sleep(0.02)

    def asks(ask):
        until(lambda found: len(found) == 3)
        files["vault"].write_text("kind: [")
        ask("reload")
        until(lambda found: found[str(files["vault"])]["state"] == "older")
        files["vault"].write_text(POLICY)
        ask("reload")
        until(lambda found: found[str(files["vault"])]["state"] == "active")

    asking = Asking(tmp_path / "s.sock", asks)
    code = main([*words, "--no-watch", "--tolerant", "--results", str(results)])
    asking.join()

    assert (0, None) == (code, asking.error), capfd.readouterr().err
    assert not results.exists()
    first, second, third = ({Path(p["file"]).stem: p for p in each["policies"]} for each in seen)
    validator = jsonschema.Draft202012Validator(schema("results", is_strict=True))
    for each in seen:
        validator.validate(each)
    assert {"vault": "active", "audit": "audit", "wrong": "refused"} == {
        name: each["state"] for name, each in first.items()
    }
    assert {name: digest_of(text.encode()) for name, text in texts.items()} == {
        name: each["digest"] for name, each in first.items()
    }
    assert first["wrong"]["name"] is None
    assert first["wrong"]["message"].startswith(f"{files['wrong']}:")
    assert ("vault", "older", "Refused", digest_of(b"kind: [")) == tuple(
        second["vault"][key] for key in ("name", "state", "reason", "digest")
    )
    assert first == third


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("place", ["options", "configuration"])
def test_the_files_of_one_more_user_count_where_that_is_said(
    words, tmp_path, capfd, monkeypatch, place
):
    """Without that, the start is refused."""
    os.chown(words[-1], 9753, 9753)
    assert 1 == main(words)
    assert "belongs to user 9753" in capfd.readouterr().err
    config = tmp_path / "enforcer.yaml"
    config.write_text("policyOwner: 9753\npodsDir: /srv/pods\n")
    config.chmod(0o600)
    more = ["--policy-owner", "9753", "--pods-dir", "/srv/pods"]
    got = []
    real = assembly.Places

    def note(**named):
        got.append((named["pods"], named["owner"]))
        return real(**named)

    monkeypatch.setattr(assembly, "Places", note)
    asking = Asking(tmp_path / "s.sock", lambda ask: ask("status"))
    code = main([*words, *(more if place == "options" else ["--config", str(config)])])
    asking.join()

    assert (0, None) == (code, asking.error), capfd.readouterr().err
    assert [(Path("/srv/pods"), 9753)] == got


@pytest.mark.parametrize("said", ["nobody", "-1", "4294967295", "1.5", ""])
def test_a_user_is_a_number(words, said, capfd):
    """A name is another user on another machine."""
    with pytest.raises(SystemExit):
        main([*words, f"--policy-owner={said}"])
    assert "is not the number of a user" in capfd.readouterr().err


def test_a_folder_may_be_empty_where_that_is_said(session, words, tmp_path, capfd):
    """It starts, says that nothing is enforced, and takes the policies that come; without the word it does not start."""
    folder = tmp_path / "policies"
    folder.mkdir(mode=0o700)
    policy = folder / "vault.yaml"
    words[-1] = str(folder)
    assert 1 == main(words)
    assert "the directory has no policy" in capfd.readouterr().err
    got = {}

    def asks(ask):
        got["before"] = ask("policy-list")["policies"]
        policy.write_text(POLICY)
        policy.chmod(0o600)
        ask("reload")
        got["after"] = [each["name"] for each in ask("policy-list")["policies"]]
        policy.unlink()
        try:
            ask("reload")
        except PolicyErrors as errors:
            got["emptied"] = str(errors)
        got["still"] = [each["name"] for each in ask("policy-list")["policies"]]

    asking = Asking(tmp_path / "s.sock", asks)
    code = main([*words, "--no-watch", "--allow-empty"])
    asking.join()

    out, err = capfd.readouterr()
    assert (0, None) == (code, asking.error), err
    assert "enforcer: active: no policies, so nothing is enforced" in out
    assert ([], ["vault"], ["vault"]) == (got["before"], got["after"], got["still"])
    assert "the directory has no policy" in got["emptied"]


def test_what_cannot_be_opened_is_told_before_anything_begins(session, words, tmp_path, capfd):
    """A log in a folder that is not there."""
    words[words.index("--json-log") + 1] = str(tmp_path / "missing" / "log")

    assert 2 == main(words)

    assert "No such file" in capfd.readouterr().err
    assert session.opened is None


@attrs.define
class Pager:
    """Reads a standard descriptor through a pipe, when it is scrolled."""

    number: int
    reader: int
    got: bytes = b""

    @classmethod
    @contextlib.contextmanager
    def at(cls, number):
        kept = os.dup(number)
        reader, writer = os.pipe()
        os.dup2(writer, number)
        os.close(writer)
        try:
            yield cls(number, reader)
        finally:
            os.dup2(kept, number)
            os.close(kept)

    def fill(self):
        """Leave no room, where all was read."""
        os.write(self.number, b"." * fcntl.fcntl(self.number, fcntl.F_GETPIPE_SZ))

    def scroll(self):
        more = os.read(self.reader, 1 << 20)
        self.got += more
        return more


def test_who_reads_no_standard_error_keeps_nobody(session, words, tmp_path, monkeypatch):
    """Commands are answered and SIGTERM ends it; what it has said is there for who reads at last."""
    got = {}

    def asks(ask):
        for _ in range(3):
            ask("reload")
        got["pid"] = ask("status")["status"]["pid"]

    class Leaving(Asking):
        def end(self):
            pager.scroll()
            os.kill(os.getpid(), signal.SIGTERM)
            while pager.scroll():
                pass

    monkeypatch.setattr("sys.stderr", os.fdopen(2, "w", closefd=False))
    with Pager.at(2) as pager:
        pager.fill()
        asking = Leaving(tmp_path / "s.sock", asks)
        code = main(words)
    asking.join()
    os.close(pager.reader)

    assert (0, None, os.getpid()) == (code, asking.error, got.get("pid")), pager.got
    assert session.is_ended
    assert 3 == pager.got.decode().count(f"enforcer: policies reloaded by {ME}")


def test_the_end_waits_for_nobody_for_ever(session, words, tmp_path, monkeypatch):
    """It ends although nobody reads how."""
    has_ended = threading.Event()

    def asks(ask):
        ask("status")
        pager.scroll()
        pager.fill()

    class Leaving(Asking):
        def end(self):
            os.kill(os.getpid(), signal.SIGTERM)
            if not has_ended.wait(scaled(20)):
                self.error = "it waits"
                pager.scroll()

    monkeypatch.setattr("sys.stdout", os.fdopen(1, "w", closefd=False))
    with Pager.at(1) as pager:
        asking = Leaving(tmp_path / "s.sock", asks)
        code = main(words)
        has_ended.set()
    asking.join()
    os.close(pager.reader)

    assert (0, None) == (code, asking.error)
    assert session.is_ended
    assert b"enforcer: active: 1 policy enforces" in pager.got


def test_what_an_end_leaves_is_said_to_all_alike(session, words, tmp_path, monkeypatch, capfd):
    """In the lock, to who asks for the end, and in the daemon's last words: names enforce nothing."""
    pins, got = tmp_path / "pins", {}
    pins.mkdir()

    def opened(base):
        return PinStore(base, os.open(base, os.O_RDONLY | os.O_DIRECTORY))

    monkeypatch.setattr(PinStore, "open", opened)
    words[words.index("--no-pins")] = f"--pins={pins}"
    session.stays = f"{pins}/1 enforces nothing any more, and could not be removed"

    class Stopping(Asking):
        def end(self):
            got.update(self.ask("stop"))

    asking = Stopping(tmp_path / "s.sock", lambda _: None)
    code = main(words)
    asking.join()

    out, err = capfd.readouterr()
    assert (0, None) == (code, asking.error), err
    assert (pins,) == noted_pins(tmp_path / "s.lock")
    assert (str(pins), False) == (got["pinned"], got["persists"])
    assert f"enforcer: {session.stays}\n" in err
    assert "stays active" not in err
    assert "enforcer: stopped after" in out


def test_a_daemon_that_fails_lets_go(session, words, monkeypatch, capfd):
    """Without pins enforcement ends with it, and the lock is free."""

    def fail(daemon, *_, **__):
        daemon.control.close()  # as the end of the process would
        raise ControlError("no loop")

    monkeypatch.setattr(Daemon, "run", fail)

    assert 2 == main(words)
    assert session.is_closed
    assert "enforcer: no loop\n" == capfd.readouterr().err


@pytest.mark.parametrize("is_let_go", [True, False])
def test_a_loop_that_fails_is_begun_again(session, words, monkeypatch, capfd, is_let_go):
    """By the service manager, which does not where the user must act; also if nothing works any more."""
    unit = (Path(__file__).parents[3] / "packaging/enforcer.service").read_text("utf-8")
    (line,) = (each for each in unit.splitlines() if each.startswith("RestartPreventExitStatus="))
    for_good = set(map(int, line.partition("=")[2].split()))
    assert {Exit.POLICY, Exit.USAGE, Exit.KERNEL} == for_good

    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Daemon, "listen", lambda daemon, _: daemon.reactor.after(0, fail))
    if not is_let_go:
        monkeypatch.setattr(assembly, "abandon", fail)

    code = main(words)

    assert Exit.INTERNAL == code
    assert code not in for_good
    assert session.is_closed is is_let_go
    err = capfd.readouterr().err
    assert "the loop ended: OSError: [Errno 24] Too many open files" in err
    assert ("cannot be let go of in order" in err) is not is_let_go
