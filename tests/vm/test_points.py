# SPDX-License-Identifier: MIT
"""Points of the kernel that rules name: refused before the effect, or not promised to be."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import ask, told
from engine import Engine, perl, python, running

from enforcer.errors import KernelError
from enforcer.kernel.points import can_override
from enforcer.libbpf import calls


def _unlink() -> str:
    """Return how this kernel calls the function by which files are unlinked; the newer one's name on Linux 7.3."""
    newer = "filename_unlinkat"
    try:
        return newer if calls.are_alike(newer, newer) else "do_unlinkat"
    except KernelError:
        return "do_unlinkat"  # no types: this is collected on a host that runs none of it


UNLINK = _unlink()
ROOT = Path("/srv/points")
SECRET, PUBLIC = ROOT / "secret", ROOT / "public"
NEEDLE, OWNED, PLACE = ROOT / "needle", ROOT / "owned", ROOT / "place"
MADE, READ = ROOT / "made", ROOT / "read"

HOOKS = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: points}}
spec:
  rules:
    - name: file
      lsm: file_open
      match: {{args: [{{index: 0, equal: {SECRET}}}]}}
      action: {{deny: {{errno: EROFS}}}}
    - name: name
      lsm: {{hook: file_open}}
      match: {{args: [{{index: file, resolve: f_path.dentry.d_name.name, equal: needle}}]}}
      action: {{deny: {{errno: EXDEV}}}}
    - name: owner
      lsm: file_open
      match: {{args: [{{index: 0, resolve: f_inode.i_uid.val, range: 4000-5000}}]}}
      action: {{deny: {{errno: EDOM}}}}
    - name: directory
      lsm: inode_mkdir
      match:
        args:
          - {{index: 1, type: Dentry, prefix: {ROOT}/d}}
          - {{index: mode, mask: 0o777=0o700}}
      action: {{deny: {{errno: ENOTTY}}}}
    - name: option
      lsm: task_prctl
      match: {{args: [{{index: 0, type: Int, equal: 15}}, {{index: 1, notEqual: 0}}]}}
      action: {{deny: {{errno: ENOMSG}}}}
    - name: mount
      lsm: sb_mount
      match:
        args:
          - {{index: 0, prefix: nail}}
          - {{index: path, equal: {PLACE}}}
          - {{index: type, type: String, in: [tmpfs, ramfs]}}
      action: {{deny: {{errno: ENODEV}}}}
    - name: peer
      lsm: socket_connect
      match:
        args: [{{index: 1, address: {{cidr: 127.0.0.0/8}}, port: 7, family: inet}}, {{index: 2, equal: 16}}]
      action: {{deny: {{errno: EHOSTDOWN}}}}
    - name: backlog
      lsm: socket_listen
      match: {{args: [{{index: 1, type: Int32, equal: 77}}]}}
      action: kill
    - name: credentials
      lsm: task_setnice
      match: {{args: [{{index: 0, resolve: cred.euid.val, equal: 1234}}]}}
      action: {{deny: {{errno: EBADMSG}}}}
    - name: negative
      lsm: task_setnice
      match: {{args: [{{index: 1, equal: -7}}]}}
      action: {{deny: {{errno: ERANGE}}}}
    - name: asks
      lsm: task_prctl
      match: {{args: [{{index: 0, type: Int, equal: 3}}]}}
      mark: asked
    - name: opens-later
      lsm: file_open
      match: {{within: {{mark: asked, last: 1h}}}}
      action: log
    - name: makes-later
      lsm: inode_mkdir
      match: {{args: [{{index: 1, type: Dentry, prefix: {MADE}}}], within: {{mark: asked, last: 1h}}}}
      action: {{deny: {{errno: ELIBBAD}}}}
    - name: reads-later
      file: read
      match: {{path: {READ}, within: {{mark: asked, last: 1h}}}}
      action: {{deny: {{errno: EMLINK}}}}
"""
ATTEMPTS = {
    "file": (f"content('{SECRET}')", "EROFS", f"content('{PUBLIC}')"),
    "name": (f"content('{NEEDLE}')", "EXDEV", f"content('{PUBLIC}')"),
    "owner": (f"content('{OWNED}')", "EDOM", f"content('{PUBLIC}')"),
    "directory": (f"ended(mkdir '{ROOT}/d1', 0700)", "ENOTTY", f"ended(mkdir '{ROOT}/d2', 0755)"),
    "option": ("prctl(15, 'other')", "ENOMSG", "prctl(29, 5000)"),
    "mount": ("mount('nail1')", "ENODEV", "mount('other')"),
    "peer": ("reach(7)", "EHOSTDOWN", "reach(8)"),
    "credentials": ("nice(1234, 3)", "EBADMSG", "nice(1235, 3)"),
    "negative": ("nice(0, -7)", "ERANGE", "nice(0, 7)"),
}
"""By rule: what it refuses, by which error, and a neighbour that works."""

CODE = """
sub ended { $_[0] or exit $! }

sub called {
    my @arguments = @_;
    ended(syscall(shift @arguments, @arguments) >= 0);
}

sub content {
    open(my $file, "<", $_[0]) or exit $!;
    ended(defined read($file, my $text, 100));
}

sub prctl { called(157, @_, 0, 0, 0) }

sub mount {
    called(165, $_[0], "PLACE", "tmpfs", 0, 0);
    called(166, "PLACE", 0);  # umount2
}

sub address { pack("S n C4 x8", 2, $_[0], 127, 0, 0, 1) }

sub reach {
    socket(my $one, 2, 1, 0) or exit $!;
    ended(connect($one, address($_[0])) || $! == 111);  # nobody hears it
}

sub nice {
    my ($uid, $value) = @_;
    called(117, -1, $uid, -1) if $uid;  # setresuid
    ended(setpriority(0, 0, $value));
}

sub hear {
    socket(my $one, 2, 1, 0) or exit $!;
    ended(bind($one, address(0)));
    ended(listen($one, $_[0]));
}

sub unlinked { called(87, @_) }  # the unlink of Perl looks at the file before
"""


def does(code: str) -> subprocess.CompletedProcess[bytes]:
    """Run Perl code with what stands above; the exit code is the errno of what failed."""
    return perl(CODE.replace("PLACE", str(PLACE)) + code)


def tried(code: str) -> str:
    """The name of the error, or done."""
    ended = does(code)
    assert ended.stderr == b"", ended
    return errno.errorcode[ended.returncode] if ended.returncode else "done"


def clean() -> None:
    for each in (ROOT / "d1", ROOT / "d2", MADE):
        if each.exists():
            each.rmdir()


@pytest.fixture(scope="module")
def files() -> Iterator[None]:
    ROOT.mkdir()
    PLACE.mkdir()
    for each in (SECRET, PUBLIC, NEEDLE, OWNED, READ):
        each.write_text("content")
    os.chown(OWNED, 4321, 0)
    yield
    clean()
    shutil.rmtree(ROOT)


def test_everything_works_without_a_policy(files):
    """The control: nothing of this is refused by anybody else."""
    for refused, _, neighbour in ATTEMPTS.values():
        assert ("done", "done") == (tried(refused), tried(neighbour))
    assert "done" == tried("hear(77)")
    clean()


@pytest.fixture(scope="class")
def hooks(files, tmp_path_factory) -> Iterator[Engine]:
    with running(HOOKS, tmp_path_factory.mktemp("hooks")) as it:
        yield it


def operands(event: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["value"] for one in event["object"]["operands"]}


class TestHooks:
    """One engine with rules on many hooks."""

    @pytest.mark.parametrize("rule", ATTEMPTS)
    def test_refused_at_the_hook(self, hooks, rule):
        """The chosen error, no trace; a neighbour's works; the record says where and on what."""
        refused, error, neighbour = ATTEMPTS[rule]

        assert (error, "done") == (tried(refused), tried(neighbour))

        assert not (ROOT / "d1").exists()
        event = hooks.wait_for(lambda e: e.get("rule") == rule)
        assert (True, error, False) == (event["prevented"], event["errno"], event["onError"])
        assert event["object"]["point"].startswith("lsm ")
        clean()

    def test_killed_at_the_hook(self, hooks):
        """The process ends in the call; another argument is nobody's business."""
        assert -signal.SIGKILL == does("hear(77)").returncode
        assert "done" == tried("hear(76)")
        event = hooks.wait_for(lambda e: e.get("rule") == "backlog")
        assert ("kill", True) == (event["action"], event["prevented"])

    @pytest.mark.parametrize(
        ("deed", "error"),
        [(f"ended(mkdir '{MADE}')", "ELIBBAD"), (f"content('{READ}')", "EMLINK")],
    )
    def test_a_point_marks_and_asks_for_marks(self, hooks, deed, error):
        """What is set at one hook counts at another, and for files; a rule that only logs refuses nobody."""
        unmarked = tried(deed)
        clean()

        marked = tried(f"prctl(3, 0); content('{PUBLIC}'); {deed}")

        assert ("done", error) == (unmarked, marked)
        assert not MADE.exists()
        event = hooks.wait_for(lambda e: e.get("errno") == error)
        assert ["points/asked"] == [each["mark"] for each in event["marks"]]
        hooks.wait_for(lambda e: e.get("rule") == "opens-later" and not e["onError"])

    def test_records_tell_what_was_compared(self, hooks):
        """Numbers and strings by their names, paths as paths."""
        tried("mount('nail2')")
        event = hooks.wait_for(
            lambda e: e.get("rule") == "mount" and operands(e).get("arg0") == "nail2"
        )
        assert {"arg0": "nail2", "type": "tmpfs"} == operands(event)
        assert str(PLACE) == event["object"]["path"]
        tried("nice(0, -7)")
        event = hooks.wait_for(lambda e: e.get("rule") == "negative")
        assert {"arg0.cred.euid.val": 0, "arg1": -7} == operands(event)
        tried("reach(7)")
        event = hooks.wait_for(lambda e: e.get("rule") == "peer")
        assert ("127.0.0.1", 7) == (event["object"]["address"], event["object"]["port"])


def refusal(policy: str, directory: Path) -> list[str]:
    """What a start says that does not come up."""
    file = directory / "policy.yaml"
    file.write_text(policy)
    ended = ask("start", str(file), "--socket", str(directory / "s"))
    assert ended.returncode == 1, ended
    return ended.stderr.splitlines()


def one(rule: str) -> str:
    """A policy of one rule, at line 7."""
    return f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: one}}
spec:
  allowDegraded: false
  rules:
    - {rule}
"""


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{lsm: file_opened, action: deny}", "has no LSM hook file_opened"),
        (
            "{lsm: file_open, match: {args: [{index: 3, equal: 1}]}, action: deny}",
            "has no argument 3: it has 1",
        ),
        (
            "{lsm: file_open, match: {args: [{index: 0, resolve: f_nothing, equal: 1}]}, action: deny}",
            "struct file has no member f_nothing",
        ),
        ("{lsm: bprm_committed_creds, action: deny}", "cannot refuse"),
        ("{kprobe: do_nothing_at_all, action: log}", "do_nothing_at_all"),
        (f"{{kprobe: {{function: {UNLINK}, at: return}}, action: deny}}", "has taken effect"),
        ("{tracepoint: sched/sched_nothing, action: log}", "no tracepoint sched/sched_nothing"),
        ("{tracepoint: {event: sched_nothing, raw: true}, action: log}", "no raw tracepoint"),
        ("{tracepoint: sched/sched_process_exec, action: kill}", "cannot refuse"),
    ],
)
def test_a_kernel_that_cannot_says_so(tmp_path, rule, said):
    """One sentence, with the place where there is one."""
    lines = refusal(one(rule), tmp_path)
    assert any(said in line for line in lines), lines


def spawn(*argv: str) -> Any:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def test_a_point_that_comes_with_a_reload(files, tmp_path):
    """Programs are bound when they are loaded: that of another hook is loaded, and what went is free again."""
    first = (
        "{lsm: task_prctl, match: {args: [{index: 0, equal: 15}]}, action: {deny: {errno: EDOM}}}"
    )
    second = "{lsm: socket_listen, match: {args: [{index: 1, equal: 77}]}, action: {deny: {errno: ENODEV}}}"

    with running(one(first), tmp_path):
        assert ("EDOM", "done") == (tried("prctl(15, 'other')"), tried("hear(77)"))
        (tmp_path / "policy.yaml").write_text(one(second))
        told("reload")
        assert ("done", "ENODEV") == (tried("prctl(15, 'other')"), tried("hear(77)"))


# ---- Functions and tracepoints --------------------------------------------------------------------

LATE = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: late}}
spec:
  allowDegraded: true
  rules:
    - name: entry
      kprobe: {UNLINK}
      match: {{args: [{{index: 1, resolve: name, equal: {ROOT}/killed}}]}}
      action: kill
    - name: failed
      kprobe: {{function: {UNLINK}, at: return}}
      match: {{returns: {{equal: -2}}, args: [{{index: dfd, equal: -100}}]}}
      action: log
    - name: ended
      kprobe: {{function: {UNLINK}, at: return}}
      match: {{returns: {{equal: -20}}}}
      action: kill
    - name: traced
      tracepoint: sched/sched_process_exec
      match: {{args: [{{index: filename, suffix: /traced}}]}}
      action: kill
    - name: raw
      tracepoint: {{event: sched_process_exec, raw: true}}
      match: {{args: [{{index: 2, equal: {ROOT}/raw}}, {{index: 0, resolve: cred.uid.val, equal: 0}}, {{index: 0, resolve: comm, equal: raw}}]}}
      action: kill
    - name: asked
      tracepoint: syscalls/sys_enter_rmdir
      match: {{args: [{{index: pathname, prefix: {ROOT}/asked}}]}}
      onError: log
      action: log
    - name: told
      lsm: bprm_committed_creds
      match: {{args: [{{index: 0, equal: {ROOT}/victim}}]}}
      action: deny
    - name: ids
      kprobe: commit_creds
      match: {{args: [{{index: 0, resolve: uid.val, equal: 1001}}]}}
      action: log
    - name: of-ids
      file: read
      match: {{path: {READ}, process: {{uid: 1001}}}}
      action: {{deny: {{errno: EMLINK}}}}
"""


@pytest.fixture(scope="class")
def late(files, tmp_path_factory) -> Iterator[Engine]:
    for name in ("traced", "raw", "victim", "free"):
        shutil.copy("/bin/true", ROOT / name)
        assert 0 == spawn(ROOT / name).returncode
    with running(LATE, tmp_path_factory.mktemp("late")) as it:
        yield it


class TestLate:
    """One engine with rules that come after the effect."""

    def test_a_function_kills_after_the_effect_where_that_is_allowed(self, late):
        """The caller dies, the file has gone, and the record promises nothing; a neighbour lives."""
        killed, other = ROOT / "killed", ROOT / "spared"
        for each in (killed, other):
            each.write_text("")

        ended = [does(f"unlinked('{each}')").returncode for each in (killed, other)]

        assert ([-signal.SIGKILL, 0], False, False) == (ended, killed.exists(), other.exists())
        event = late.wait_for(lambda e: e.get("rule") == "entry")
        assert (False, {"arg1.name": str(killed)}) == (event["prevented"], operands(event))

    def test_a_function_kills_at_its_end_by_what_it_returned(self, late):
        """Whoever took a file for a folder dies of the answer; whoever asked for nothing there lives."""
        (ROOT / "no-folder").write_text("")

        doomed = does(f"unlinked('{ROOT}/no-folder/x')")
        other = does(f"unlinked('{ROOT}/nothing-there')")

        assert (-signal.SIGKILL, errno.ENOENT) == (doomed.returncode, other.returncode)
        event = late.wait_for(lambda e: e.get("rule") == "ended")
        told = {"returns": -20, "dfd": -100}  # what any rule compares at this point
        assert (False, told) == (event["prevented"], operands(event))

    def test_a_function_says_at_its_end_what_came_of_it(self, late):
        """What it returned and what it was given; success is nobody's business."""
        assert "ENOENT" == tried(f"unlinked('{ROOT}/nothing-of-this-name')")
        event = late.wait_for(lambda e: e.get("rule") == "failed")
        assert {"returns": -2, "dfd": -100} == operands(event)
        assert f"kretprobe {UNLINK}" == event["object"]["point"]
        (ROOT / "there").write_text("")
        assert "done" == tried(f"unlinked('{ROOT}/there')")
        assert "ENOENT" == tried(f"unlinked('{ROOT}/nothing-again')")
        late.wait_for(lambda e: e.get("rule") == "failed" and e["time"] > event["time"])
        found = [operands(e)["returns"] for e in late.events() if e.get("rule") == "failed"]
        assert {-2} == set(found)

    def test_ids_that_change_behind_a_point_count(self, late):
        """A rule is decided between the hook that sees the change and the change: what it found does not stay."""
        deed = f"content('{READ}')"

        assert ("done", "EMLINK") == (tried(deed), tried(f"called(117, 1001, 1001, 1001); {deed}"))

        assert late.wait_for(lambda e: e.get("rule") == "ids")

    def test_a_hook_that_only_tells_kills_after(self, late):
        """Nothing is prevented, the record says so, a neighbour lives."""
        victim = ROOT / "victim"
        assert (-signal.SIGKILL, 0) == (
            spawn(victim).returncode,
            spawn(ROOT / "free").returncode,
        )
        event = late.wait_for(lambda e: e.get("rule") == "told")
        assert ("kill", False, str(victim)) == (
            event["action"],
            event["prevented"],
            event["object"]["path"],
        )

    @pytest.mark.parametrize("rule", ["traced", "raw"])
    def test_a_tracepoint_kills_after_the_effect_where_that_is_allowed(self, late, rule):
        """By a field of its record, and by an argument and a member of another."""
        assert (-signal.SIGKILL, 0) == (
            spawn(ROOT / rule).returncode,
            spawn(ROOT / "free").returncode,
        )
        event = late.wait_for(lambda e: e.get("rule") == rule)
        assert ("kill", False) == (event["action"], event["prevented"])

    def test_strings_of_the_caller_are_read_where_they_lie(self, late):
        """A field that is an address in the caller's memory; one that cannot be read is onError's."""
        assert "ENOENT" == tried(f"ended(rmdir '{ROOT}/asked-for')")
        event = late.wait_for(lambda e: e.get("rule") == "asked")
        assert {"pathname": f"{ROOT}/asked-for"} == operands(event)
        assert not event["onError"]

        assert "EFAULT" == tried("called(84, 1)")
        assert late.wait_for(lambda e: e.get("rule") == "asked" and e["onError"])


def test_a_function_refuses_where_its_result_can_be_replaced(tmp_path):
    """No page of that file comes in; another's does. Needs a disk (--scratch) and the lab's kernel."""
    if not can_override("__filemap_add_folio") or not Path("/mnt/scratch").is_mount():
        pytest.skip("this kernel cannot replace the result of __filemap_add_folio")
    hidden, shown = Path("/mnt/scratch/hidden"), Path("/mnt/scratch/shown")
    for each in (hidden, shown):
        each.write_text("content")
    os.sync()
    rule = (
        "{kprobe: __filemap_add_folio, match: {args: [{index: 0, resolve: host.i_ino, equal: "
        f"{hidden.stat().st_ino}}}]}}, action: {{deny: {{errno: ENOMEM}}}}}}"
    )
    with running(one(rule), tmp_path) as engine:
        Path("/proc/sys/vm/drop_caches").write_text("3")
        refused, read = (python("print(open(sys.argv[1]).read())", str(x)) for x in (hidden, shown))
        event = engine.wait_for(lambda e: e.get("rule") == "rule-1")
    assert b"content\n" == read.stdout
    assert (b"", True) == (refused.stdout, b"Cannot allocate memory" in refused.stderr)
    assert (True, "ENOMEM") == (event["prevented"], event["errno"])
    assert b"content\n" == python("print(open(sys.argv[1]).read())", str(hidden)).stdout


# ---- Policies written for others ------------------------------------------------------------------

TRACING = f"""\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: tracing}}
spec:
  kprobes:
    - call: {UNLINK}
      syscall: false
      return: true
      args: [{{index: 0, type: int}}, {{index: 1, type: filename}}]
      returnArg: {{index: 0, type: int}}
      selectors:
        - matchArgs: [{{index: 1, operator: Equal, values: [{ROOT}/doomed]}}]
          matchActions: [{{action: Sigkill}}]
        - matchReturnArgs: [{{operator: Equal, values: [-2]}}]
          matchArgs: [{{index: 1, operator: Prefix, values: [{ROOT}/lost]}}]
    - call: security_task_prctl
      syscall: false
      args: [{{index: 0, type: int}}]
      selectors:
        - matchArgs: [{{index: 0, operator: Equal, values: [15]}}]
          matchActions: [{{action: Override, argError: -13}}]
"""


_LINK_UPDATE, _LINK_DETACH = 29, 34
_NEXT_LINK, _LINK_BY_ID = 31, 30


def bpf(command: int, *words: int) -> int:
    """Call bpf(2) with what begins its argument; returns what it does, or -errno."""
    attr = ctypes.create_string_buffer(struct.pack(f"={len(words)}I", *words), 128)
    result = _libc.syscall(321, command, attr, 128)
    if result < 0:
        return -ctypes.get_errno()
    return result if command == _LINK_BY_ID else struct.unpack_from("=I", attr, 4)[0]


_libc = ctypes.CDLL(None, use_errno=True)


def links() -> list[int]:
    """Return the number of every link in the kernel."""
    found, number = [], bpf(_NEXT_LINK, 0)
    while number > 0:
        found.append(number)
        number = bpf(_NEXT_LINK, number)
    return found


def test_no_link_of_the_engine_can_be_detached_or_replaced(files, tmp_path):
    """
    The kernel knows neither for links of these kinds, protected or not.

    So a descriptor that becomes another one, after the guard has looked and before the kernel does, wins nothing.
    """
    before = set(links())

    with running(TRACING, tmp_path):
        ours = set(links()) - before
        assert len(ours) > 2
        for number in ours:
            fd = bpf(_LINK_BY_ID, number)
            assert fd > 0
            assert bpf(_LINK_DETACH, fd) in {-errno.EOPNOTSUPP, -errno.EINVAL}
            assert bpf(_LINK_UPDATE, fd, fd) in {-errno.EOPNOTSUPP, -errno.EINVAL}
            os.close(fd)
        assert ours <= set(links())


def test_a_tracing_policy_at_points(files, tmp_path):
    """Killed after the effect, seen at the end, and refused at the hook that the function calls."""
    doomed = ROOT / "doomed"
    doomed.write_text("")
    assert ("done", "ENOENT") == (tried("prctl(15, 'other')"), tried(f"unlinked('{ROOT}/lost')"))

    with running(TRACING, tmp_path) as engine:
        assert -signal.SIGKILL == does(f"unlinked('{doomed}')").returncode
        assert not doomed.exists()
        assert "ENOENT" == tried(f"unlinked('{ROOT}/lost')")
        assert ("EACCES", "done") == (tried("prctl(15, 'other')"), tried("prctl(29, 5000)"))
        found = {
            rule: engine.wait_for(lambda e, rule=rule: e.get("rule") == rule)
            for rule in (
                "kprobes.1.selectors.1",
                "kprobes.1.selectors.2",
                "kprobes.2.selectors.1",
            )
        }
    assert [f"kprobe {UNLINK}", f"kretprobe {UNLINK}", "lsm task_prctl"] == [
        event["object"]["point"] for event in found.values()
    ]
    assert [False, False, True] == [event["prevented"] for event in found.values()]
