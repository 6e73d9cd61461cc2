# SPDX-License-Identifier: MIT
"""Warnings before a policy locks the administrator out: who would be refused what, by which rule."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from policy_text import FILE, HEAD, USERS

from enforcer.policy.lint.issues import Host
from enforcer.policy.lint.lockout import breaks_the_machine
from enforcer.policy.lint.lockout_needs import EnforcerPrograms, own_programs, vital_needs
from enforcer.policy.store import load_policies, load_text

OWN = EnforcerPrograms(
    (b"/opt/python/bin/python3.12", b"/opt/enforcer/bin/python", b"/usr/bin/python3"),
    b"/opt/enforcer/bin/enforcer",
    b"/opt/enforcer/lib/enforcer/__init__.py",
)
ELSEWHERE = (b"/usr/libexec/", b"/usr/lib64/")
HERE = Host(exists=lambda path: not path.startswith(ELSEWHERE), own=OWN)
POLICIES = Path(__file__).parents[3] / "policies"


def _warnings(*rules, head=""):
    lines = "".join(f"  - {rule}\n" for rule in rules)
    spec = f"{head}  rules:\n{lines}" if rules else head
    (policy,) = load_text(f"{HEAD}spec:\n{spec}", FILE, USERS).policies
    return [str(issue) for issue in breaks_the_machine(policy, HERE)]


def _warning(*rules, head=""):
    (found,) = _warnings(*rules, head=head)
    return found


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        # everybody
        ("exec: {}, match: {path: /**}", "everybody to run the service manager"),
        ("exec: {}, match: {path: /usr/bin/*sh}", "everybody to run the shell,"),
        ("exec: {}, match: {path: {prefix: /usr/sbin/s}}", "everybody to run sshd,"),
        ("exec: {}, match: {path: /usr/lib/openssh/}", "everybody to run sshd,"),
        ("exec: {}, match: {path: /opt/**}", "everybody to run enforcer itself,"),
        ("exec: {}, match: {path: /opt/python/**}", "everybody to run enforcer itself,"),
        ("exec: {}, match: {script: true, path: /opt/**}", "everybody to run enforcer itself,"),
        ("file: read, match: {path: /opt/enforcer/lib/**}", "everybody to read enforcer itself,"),
        ("file: mmapExec, match: {path: /lib/**}", "to read the service manager, sshd, the dynamic linker,"),
        ("file: read, match: {path: /etc/ssh/**}", "the configuration of sshd, the host keys of sshd,"),
        ("file: read, match: {path: /etc/*}", "everybody to read logins,"),
        ("file: any, match: {path: /dev/**}", "everybody to read terminals and to change terminals,"),
        ("file: write, match: {path: /run/**}", "everybody to change /run, /run/enforcer,"),
        ("file: unlink, match: {path: /var/run/**}", "everybody to change /run, /run/enforcer,"),
        ("file: unlink, match: {path: /run/enforcer/*}", "everybody to change /run/enforcer,"),
        ("file: modify, match: {path: /etc/enforcer/**}", "to change the policies of enforcer,"),
        ("file: read, match: {path: /etc/enforcer/**}", "everybody to read its policies,"),
        ("file: create, match: {path: /sys/fs/bpf/**}", "everybody to change its pins,"),
        ("file: rmdir, match: {path: /sys/fs/bpf/**}", "everybody to change its pins,"),
        ("file: mkdir, match: {directory: true, path: /sys/**}", "to change cgroups, its pins,"),
        ("network: listen", "to listen on the sockets of systemd, its control socket, port 22,"),
        ("network: bind, match: {port: 1-1023}", "everybody to listen on port 22,"),
        ("network: bind, match: {address: 0.0.0.0}", "everybody to listen on port 22,"),
        ("network: bind, match: {address: {notIn: [10.0.0.0/8]}}", "to listen on port 22,"),
        ("network: accept, match: {port: 22}", "everybody to accept on port 22,"),
        ("network: accept, match: {address: '0.0.0.0/0'}", "everybody to accept on port 22,"),
        ("network: socket, match: {family: inet6}", "everybody to use TCP,"),
        ("network: socket, match: {protocol: tcp}", "everybody to use TCP,"),
        ("network: socket, match: {type: stream}", "everybody to use unix sockets, TCP,"),
        ("network: socket, match: {family: unix}", "everybody to use unix sockets,"),
        ("network: bind, match: {path: /run/**}", "the sockets of systemd, its control socket,"),
        ("network: connect, match: {path: /run/enforcer/*}", "to connect to the control socket"),
        ("process: signal, match: {signal: TERM}", "everybody to end services,"),
        ("process: setuid, match: {newUid: {notEqual: 0}}", "to start services and to log in users,"),
        ("process: capability, match: {capability: SETGID}", "to start services and to log in users,"),
        ("process: capability, match: {capability: SYS_ADMIN}", "everybody to start services,"),
        ("kernel: bpf, match: {command: prog_load}", "to start services and to change the active policies,"),
        # what a login needs, asked by whom it comes from
        ("exec: {}, match: {path: /bin/*sh, ancestors: {binary: /usr/sbin/sshd}}",
         "sshd, the shell to run the shell,"),
        ("exec: {}, match: {path: /bin/sh, parent: {binary: /usr/sbin/sshd}}",
         "sshd, the shell to run the shell,"),
        ("exec: {}, match: {process: {binary: /usr/sbin/sshd}}", "sshd to run sshd, the shell,"),
        ("exec: {}, match: {process: {binary: /usr/lib/openssh/*}}", "sshd to run the shell,"),
        ("exec: {}, match: {process: {binary: /bin/sh}}", "the shell to run the shell, enforcer"),
        ("file: read, match: {process: {binary: /usr/sbin/sshd}, path: /etc/shadow}",
         "sshd to read logins,"),
        ("network: any, match: {process: {binary: /usr/sbin/sshd}}",
         "sshd to use TCP and to listen on port 22 and to accept on port 22,"),
        ("network: accept, match: {process: {unit: ssh.service}}", "sshd to accept on port 22,"),
        ("exec: {}, match: {process: {unit: sshd.service}}",
         "the service manager, sshd to run sshd, the shell,"),
        ("exec: {}, match: {process: {cgroup: /user.slice}}", "sshd, the shell to run the shell"),
        # the service manager and enforcer
        ("exec: {}, match: {process: {binary: /sbin/init}, path: /usr/sbin/**}",
         "the service manager to run sshd,"),
        ("exec: {}, match: {process: {binary: /usr/lib/systemd/systemd-executor}}",
         "the service manager to run sshd,"),
        ("file: modify, match: {process: {binary: /usr/bin/python3}, path: /run/**}",
         "enforcer itself to change /run/enforcer,"),
        ("file: read, match: {process: {script: true}, path: /opt/**}",
         "enforcer itself to read enforcer itself,"),
        # root, whoever it is
        ("exec: {}, match: {process: {uid: root}, path: /bin/*sh}",
         "the service manager, sshd, the shell to run the shell,"),
        ("exec: {}, match: {process: {capabilities: CAP_SYS_ADMIN}, path: /bin/*sh}",
         "the service manager, sshd, the shell to run the shell,"),
        ("exec: {}, match: {notProcess: {binary: /usr/sbin/sshd}, path: /bin/bash}",
         "the service manager, sshd, the shell to run the shell,"),
        ("exec: {}, match: {notAncestors: {binary: /usr/sbin/sshd}, path: /bin/bash}",
         "the service manager to run the shell,"),
        ("exec: {}, match: {path: /bin/*sh, lineage: {binary: /usr/sbin/sshd}}",
         "sshd, the shell to run the shell,"),
        ("exec: {}, match: {lineage: {binary: /usr/sbin/sshd}}", "sshd, the shell to run sshd, the shell,"),
        ("exec: {}, match: {notLineage: {binary: /usr/sbin/sshd}, path: /bin/bash}",
         "the service manager to run the shell,"),
        ("exec: {}, match: {notParent: {binary: /usr/lib/systemd/systemd}, path: /bin/bash}",
         "the service manager, sshd, the shell to run the shell,"),
    ],
)  # fmt: skip
def test_what_would_be_refused_is_said(rule, said):
    """Whoever is refused, and whatever it is."""
    for action in ("deny", "kill"):
        found = _warning(f"{{{rule}, action: {action}}}")
        assert found.startswith(f"{FILE}:6:5: warning: rule 'rule-1' forbids ")
        assert said in found
        assert "--confirm-within" in found


@pytest.mark.parametrize(
    "rules",
    [
        ["{exec: {}, match: {path: /**}, action: log}"],
        ["{exec: {}, match: {path: /usr/bin/*}, action: allow}"],
        ["{exec: {}, match: {path: /usr/bin/nc}, action: deny}"],
        ["{exec: {}, match: {path: /**, process: {uid: 1000-60000}}, action: deny}"],
        ["{exec: {}, match: {path: /**, process: {binary: /**/nginx}}, action: deny}"],
        ["{exec: {}, match: {path: /**, ancestors: {binary: /**/nginx}}, action: deny}"],
        ["{exec: {}, match: {path: /**, lineage: {binary: /**/nginx}}, action: deny}"],
        ["{exec: {}, match: {path: /**, process: {unit: nginx.service}}, action: deny}"],
        ["{exec: {}, match: {path: /**, process: {setid: true}}, action: deny}"],
        [
            "{exec: {}, match: {path: /**, process: {capabilities: {none: [SYS_ADMIN]}}}, action: deny}"
        ],
        ["{exec: {}, match: {path: /**, notProcess: {uid: 0}}, action: deny}"],
        ["{exec: {}, match: {path: /**, memfd: true}, action: deny}"],
        ["{exec: {}, match: {path: /bin/bash, args: [{index: 1, equal: -i}]}, action: kill}"],
        ["{file: write, match: {path: /usr/**}, action: deny}"],
        ["{file: read, match: {path: /etc/**, directory: true}, action: deny}"],
        ["{file: chmod, match: {mode: {mask: 06000}}, action: deny}"],
        ["{file: setxattr, match: {xattr: user.x}, action: deny}"],
        ["{network: bind, match: {port: 80}, action: deny}"],
        ["{network: bind, match: {address: 10.0.0.0/8}, action: deny}"],
        ["{network: accept, match: {port: 22, address: 10.0.0.0/8}, action: deny}"],
        ["{network: accept, match: {port: 22, address: {notIn: [10.0.0.0/8]}}, action: deny}"],
        ["{network: bind, match: {port: {notIn: [22]}, address: '0.0.0.0/0'}, action: deny}"],
        ["{network: egress, match: {address: '0.0.0.0/0'}, action: deny}"],
        ["{network: socket, match: {family: packet}, action: deny}"],
        ["{network: socket, match: {type: raw}, action: deny}"],
        ["{network: connect, match: {path: /run/docker.sock}, action: deny}"],
        ["{network: bind, match: {abstract: '*'}, action: deny}"],
    ],
)
def test_what_harms_nobody_is_passed_over(rules):
    """No noise where the machine stays within reach."""
    assert [] == _warnings(*rules)


def test_naming_the_file_is_warned_of_plainly():
    """What the author wrote down needs no advice on how to write it, but a way back."""
    (warning,) = _warnings("{exec: {}, match: {path: /bin/bash}, action: deny}")
    assert warning == (
        f"{FILE}:6:5: warning: rule 'rule-1' forbids everybody to run the shell, and you may be "
        "locked out: start it with --confirm-within, so that it ends unless you confirm"
    )
    assert "put an allow rule" in _warning("{exec: {}, match: {path: /bin/b*}, action: deny}")


def test_the_first_rule_that_matches_decides():
    """An allow rule above saves exactly those whom it is about."""
    deny = "{exec: {}, match: {path: /**}, action: deny}"
    assert "run the shell" not in _warning(
        "{exec: {}, match: {path: [/bin/bash, /bin/sh]}, action: allow}", deny
    )
    for_sshd = "{exec: {}, match: {process: {binary: [/usr/sbin/sshd, /usr/lib/openssh/*]}}, action: allow}"
    assert "run the service manager, sshd, the shell, enforcer itself" in _warning(for_sshd, deny)
    only_sshd = deny.replace("path: /**", "path: /**, process: {binary: /usr/sbin/sshd}")
    assert [] == _warnings(for_sshd, only_sshd)
    assert [] == _warnings(for_sshd.replace("allow", "log"), only_sshd)


def test_each_rule_is_warned_of_once():
    """With all that it refuses; what an upper rule refuses is not the lower one's doing."""
    found = _warnings(
        "{exec: {}, match: {path: /bin/bash}, action: deny}",
        "{exec: {}, match: {path: /bin/*sh}, action: deny}",
        "{file: read, match: {path: /**}, action: deny}",
    )
    assert [f"{FILE}:{line}:5" for line in (6, 7, 8)] == [w.split(": ")[0] for w in found]
    assert all("rule 'rule-" in warning for warning in found)


def test_defaults_are_warned_of_by_event():
    """At the policy, as they have no place of their own."""
    found = _warnings(head="  default: {exec: deny, network: deny}\n")
    assert [f"{FILE}:1:1"] * 2 == [warning.split(": ")[0] for warning in found]
    assert "the default for exec forbids everybody to run" in found[0]
    assert "the default for network forbids everybody to use" in found[1]


def test_a_selector_narrows_everything():
    """To whom the policy is about; that may be one whom it should not be about."""
    head = "  selector: {{unit: {}}}\n  default: {{exec: deny}}\n"
    assert [] == _warnings(head=head.format("nginx.service"))
    found = _warning(head=head.format("ssh.service"))
    assert "the default for exec forbids the service manager, sshd to run sshd, the shell" in found


def test_audit_refuses_nothing():
    """It is the way to find out without being locked out."""
    rule = "{exec: {}, match: {path: /**}, action: deny}"
    assert [] == _warnings(rule, head="  mode: audit\n")
    assert _warnings(rule, head="  mode: enforce\n")


def test_files_count_where_they_are():
    """What another system has elsewhere is no danger here; where none is, the usual place counts."""
    rule = "{exec: {}, match: {path: /usr/libexec/**}, action: deny}"
    text = f"{HEAD}spec:\n  rules:\n  - {rule}\n"
    (policy,) = load_text(text, FILE, USERS).policies
    assert not list(breaks_the_machine(policy, HERE))
    assert not list(breaks_the_machine(policy, Host(exists=lambda _: False, own=OWN)))
    there = Host(exists=lambda path: not path.startswith(b"/usr/lib/openssh"), own=OWN)
    assert "run sshd" in str(*breaks_the_machine(policy, there))


def test_our_own_programs_are_the_real_ones():
    """The interpreter as the kernel names it: no link."""
    own = own_programs()
    interpreter = Path(os.fsdecode(own.interpreter[0]))
    assert interpreter.samefile(sys.executable)
    assert not any(path.is_symlink() for path in (interpreter, *interpreter.parents))
    assert Path(os.fsdecode(own.code)).is_file()
    assert own.script.endswith(b"/enforcer")


def test_every_need_can_be_refused():
    """No line of the table is out of reach of a rule that refuses everything of its kind."""
    needs = vital_needs(HERE.own, HERE.exists)
    found = _warnings(
        "{process: capability, match: {capability: [SETUID, SETGID, SYS_ADMIN]}, action: deny}",
        head="  default: {exec: deny, file: deny, network: deny, process: deny, kernel: deny}\n",
    )
    for need in needs:
        assert any(need.what in warning for warning in found), need
    assert len(needs) == len(set(needs))


def test_the_policies_that_come_along_lock_nobody_out():
    """They can be taken as they are."""
    for policy in load_policies([POLICIES]).policies:
        found = [issue.message for issue in breaks_the_machine(policy, HERE)]
        if (
            policy.name == "enforcer-itself"
        ):  # it keeps its own files from enforcer, too: its head says so
            assert 1 == len(found)
            assert "enforcer" in found[0]
        else:
            assert [] == found, policy.name
