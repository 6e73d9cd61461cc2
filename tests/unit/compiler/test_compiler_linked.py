# SPDX-License-Identifier: MIT
"""Links in containers, compiled: which names a rule gets, in which container, and which way."""

from __future__ import annotations

import pytest
from compiler_text import MadeUpHost, compiled, load

from enforcer.compiler import LinkAsks, compile_policies, verify
from enforcer.compiler.atoms import Atoms
from enforcer.compiler.host import Mount
from enforcer.compiler.linked import LinkedNames
from enforcer.compiler.paths import Names
from enforcer.compiler.patterns import Below, Exact, Glob
from enforcer.compiler.subjects import Subjects
from enforcer.libbpf.decision import Access, Core, Identity
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Text, TextKind, Verb
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text
from enforcer.span import Span

LINKS = {b"/bin": (b"usr/bin",), b"/usr/bin/bash": (b"busybox",), b"/var/run": (b"/run",)}
TASKS = b"/run/containerd/io.containerd.runtime.v2.task/k8s.io"


def container(name: str, links=LINKS, namespace: str = "prod") -> Workload:
    facts = {"pod.namespace": (namespace.encode(),), "container.name": (name.encode(),)}
    return Workload(
        b"/kubepods/" + name.encode(), facts, b"%s/%s/rootfs" % (TASKS, name.encode()), links
    )


ONE, PLAIN = container("one"), container("plain", {})
OTHER = container("other", {b"/bin/bash": (b"/usr/sbin/nginx",)}, "dev")
HOST = MadeUpHost(workloads=(ONE, PLAIN, OTHER))
POD = "  selector: {pod: {namespace: '*'}}\n"


class Merged(MadeUpHost):
    """A host whose /bin is a link."""

    def link(self, path: bytes) -> bytes | None:
        return b"usr/bin" if path == b"/bin" else None


def decided(image, who: Workload | None, path: str, op: Op = Op.EXEC) -> Verb | None:
    verify(image.image)
    core = Core(image.image)
    subject = core.subject(
        Identity(exe=b"/usr/bin/app", cgroup=who.cgroup if who is not None else b"/")
    )
    access = Access(ops=(op,), operands={Dim.PATH: path.encode()})
    verdict = core.decide(subject, access)
    return None if verdict.row is None else Verb(verdict.action)


def inside(who: Workload, path: str) -> str:
    return who.root.decode() + path


@pytest.fixture(scope="module")
def refusing():
    """No shell in any pod."""
    return compiled("{exec: {}, match: {path: /bin/bash}, action: deny}", spec=POD, host=HOST)


def test_what_a_link_leads_to_is_refused_in_its_container(refusing):
    """By the name that the kernel has for it."""
    assert Verb.DENY is decided(refusing, ONE, inside(ONE, "/usr/bin/busybox"))
    assert Verb.DENY is decided(refusing, ONE, inside(ONE, "/usr/bin/bash"))
    assert Verb.DENY is decided(refusing, ONE, "/bin/bash")  # as the container claims it


def test_it_is_refused_nowhere_else(refusing):
    """Neither in another container, nor on the host, nor a file of the same name elsewhere."""
    for who, path in (
        (PLAIN, inside(PLAIN, "/usr/bin/busybox")),
        (OTHER, inside(OTHER, "/usr/bin/busybox")),
        (PLAIN, "/usr/bin/busybox"),
        (ONE, "/usr/bin/busybox"),
        (ONE, "/usr/sbin/nginx"),
        (PLAIN, inside(PLAIN, "/usr/sbin/nginx")),
        (None, inside(ONE, "/usr/bin/busybox")),
        (ONE, inside(ONE, "/usr/bin/busybox") + "2"),
    ):
        assert decided(refusing, who, path) is None, (who, path)
    assert Verb.DENY is decided(refusing, OTHER, inside(OTHER, "/usr/sbin/nginx"))


def test_without_links_the_rule_misses_it():
    """The control: what a policy was before its containers were looked at."""
    bare = MadeUpHost(workloads=(container("one", {}),))
    image = compiled("{exec: {}, match: {path: /bin/bash}, action: deny}", spec=POD, host=bare)

    assert decided(image, ONE, inside(ONE, "/usr/bin/busybox")) is None


def test_directories_and_globs_are_followed_by_their_beginning():
    """Everything below a link, and what a pattern has behind one."""
    image = compiled(
        "{file: read, match: {path: /var/run/secrets/**}, action: deny}",
        "{file: read, match: {path: '/bin/*sh'}, action: kill}",
        spec=POD,
        host=HOST,
    )

    assert Verb.DENY is decided(image, ONE, inside(ONE, "/run/secrets/a/b"), Op.READ)
    assert Verb.KILL is decided(image, ONE, inside(ONE, "/usr/bin/zsh"), Op.READ)
    assert decided(image, ONE, inside(ONE, "/usr/bin/cat"), Op.READ) is None
    assert decided(image, PLAIN, inside(PLAIN, "/usr/bin/zsh"), Op.READ) is None


def test_a_permission_is_about_the_names_that_were_written():
    """A container makes links: what they lead to is not what the author permits."""
    image = compiled(
        "{exec: {}, match: {path: [/bin/bash, /bin/app]}, action: allow}",
        spec=POD + "  default: {exec: deny}\n",
        host=HOST,
    )

    assert Verb.ALLOW is decided(image, ONE, "/bin/bash")
    assert Verb.DENY is decided(image, ONE, inside(ONE, "/usr/bin/busybox"))
    assert Verb.DENY is decided(image, OTHER, inside(OTHER, "/usr/sbin/nginx"))


def test_an_exception_is_about_the_names_that_were_written():
    """Of a rule that refuses: a link to the secret is no exception."""
    links = {b"/data/public": (b"/data/secret",)}
    hostile = container("hostile", links)
    image = compiled(
        "{file: read, match: {path: {prefix: /data/, notIn: [/data/public]}}, action: deny}",
        spec=POD,
        host=MadeUpHost(workloads=(hostile,)),
    )

    assert Verb.DENY is decided(image, hostile, "/data/secret", Op.READ)
    assert decided(image, hostile, inside(hostile, "/data/public"), Op.READ) is None


def test_what_a_permission_leaves_out_is_left_out_by_its_other_names():
    """The exception of a rule that permits is a refusal."""
    links = {b"/data/private": (b"/data/real",)}
    one = container("one", links)
    image = compiled(
        "{file: read, match: {path: {prefix: /data/, notIn: [/data/private]}}, action: allow}",
        spec=POD + "  default: {file: deny}\n",
        host=MadeUpHost(workloads=(one,)),
    )

    assert Verb.ALLOW is decided(image, one, inside(one, "/data/other"), Op.READ)
    assert Verb.DENY is decided(image, one, inside(one, "/data/real"), Op.READ)


def test_who_acts_is_met_by_where_links_lead():
    """A shell that is busybox is refused as the shell; what it is trusted with it gets by its own name alone."""
    image = compiled(
        "{file: write, match: {path: /data/a, process: {binary: /bin/bash}}, action: deny}",
        "{file: write, match: {path: /data/b, notProcess: {binary: /bin/bash}}, action: deny}",
        spec=POD,
        host=HOST,
    )
    core = Core(image.image)
    as_busybox = core.subject(
        Identity(exe=inside(ONE, "/usr/bin/busybox").encode(), cgroup=ONE.cgroup)
    )

    for name in (b"/data/a", b"/data/b"):
        access = Access(ops=(Op.WRITE,), operands={Dim.PATH: name})
        assert Verb.DENY == core.decide(as_busybox, access).action


def test_the_names_that_links_lead_to_stay_in_place():
    """Else renaming busybox would lift the rule; the host's directories above are none of its business."""
    image = compiled("{exec: {}, match: {path: /bin/bash}, action: deny}", spec=POD, host=HOST)

    for path in ("/usr/bin/busybox", "/usr/bin"):
        assert Verb.DENY is decided(image, ONE, inside(ONE, path), Op.GUARD), path
        assert decided(image, PLAIN, inside(PLAIN, path), Op.GUARD) is None
    for path in (inside(ONE, ""), TASKS.decode(), inside(ONE, "/etc")):
        assert decided(image, ONE, path, Op.GUARD) is None, path


def test_a_name_below_the_root_of_a_container_is_met_by_the_host_s():
    """A container that mounts the file elsewhere claims another name, and gains nothing."""
    rule = "{file: write, match: {path: /data/kept}, action: deny}"
    image = compiled(rule, spec=POD, host=HOST)
    kept = inside(PLAIN, "/data/kept")

    assert Verb.DENY is decided(image, PLAIN, kept, Op.WRITE)
    assert decided(image, PLAIN, inside(PLAIN, "/data/other"), Op.WRITE) is None
    assert decided(compiled(rule, spec="", host=HOST), PLAIN, kept, Op.WRITE) is None
    for path in (kept, inside(PLAIN, "/data")):
        assert Verb.DENY is decided(image, PLAIN, path, Op.GUARD), path
    for path in (inside(PLAIN, ""), TASKS.decode(), inside(PLAIN, "/etc")):
        assert decided(image, PLAIN, path, Op.GUARD) is None, path


def test_what_the_author_wrote_of_the_host_keeps_its_directories():
    """Also if it is where runtimes mount containers."""
    image = compiled(
        "{file: write, match: {path: /run/containerd/io.containerd.runtime.v2.task/*/*/rootfs/x}, action: deny}",
        spec=POD,
        host=HOST,
    )

    assert Verb.DENY is decided(image, PLAIN, inside(PLAIN, ""), Op.GUARD)


def test_a_name_that_the_host_s_links_give_needs_no_other():
    """A container claims it, as it does where no link of its own is."""

    rule = "{exec: {}, match: {path: [/bin/bash, /bin/cat]}, action: deny}"
    merged = compiled(rule, spec=POD, host=Merged(workloads=(ONE,)))
    alone = compiled(rule, spec=POD, host=MadeUpHost(workloads=(ONE,)))

    for image in (merged, alone):
        assert Verb.DENY is decided(image, ONE, inside(ONE, "/usr/bin/busybox"))
        assert Verb.DENY is decided(image, ONE, inside(ONE, "/usr/bin/cat"))
    assert Verb.DENY is decided(merged, ONE, "/usr/bin/cat")


def test_rules_of_the_host_follow_no_link_of_a_container():
    """A policy that is not about containers, and a rule that only marks."""
    for rule, spec in (
        ("{exec: {}, match: {path: /bin/bash}, action: deny}", ""),
        ("{exec: {}, match: {path: /bin/bash}, mark: ran}", POD),
    ):
        asks = LinkAsks.of(load(rule, spec=spec))
        assert [(), (), ()] == [asks.heads(each) for each in HOST.workloads]
        image = compiled(rule, spec=spec, host=HOST)
        assert decided(image, ONE, inside(ONE, "/usr/bin/busybox")) is None


def test_only_what_policies_ask_is_looked_up():
    """By container: beginnings of patterns, up to the first wildcard."""
    policies = load(
        "{file: read, match: {path: [/etc/shadow, '/bin/*sh', '/srv/a/**', '/**/x']}, action: deny}",
        "{file: read, match: {path: /only/dev, process: {pod: {namespace: dev}}}, action: deny}",
        "{file: read, match: {path: /data, notProcess: {binary: /bin/app}}, action: deny}",
        spec="  selector: {container: {name: [one, other]}}\n",
    )

    asks = LinkAsks.of(policies)

    usual = {b"/etc/shadow", b"/bin", b"/srv/a", b"/data"}
    assert usual == set(asks.heads(ONE))
    assert usual | {b"/only/dev"} == set(asks.heads(OTHER))
    assert () == asks.heads(PLAIN) == asks.heads(Workload(b"/rootless", ONE.facts))


def test_where_links_give_names(refusing):
    """Where none are, or they lead where the host's own lead, an image is the same for any container with these links."""
    assert {ONE.cgroup, OTHER.cgroup} == refusing.renamed
    rule = "{exec: {}, match: {path: /bin/cat}, action: deny}"
    merged = compiled(rule, spec=POD, host=Merged(workloads=(ONE, PLAIN)))
    alone = compiled(rule, spec=POD, host=MadeUpHost(workloads=(ONE, PLAIN)))
    assert (frozenset(), {ONE.cgroup}) == (merged.renamed, alone.renamed)


def test_a_file_of_the_host_is_not_looked_up_by_a_container_s_name():
    """Its inode would get into the rule, of whatever the name leads to at that moment."""
    asked = []

    class Asking(MadeUpHost):
        def hard_linked(self, path: bytes) -> tuple[int, int] | None:
            asked.append(path)
            return 1, 2

        def node(self, path: bytes) -> tuple[int, int] | None:
            asked.append(path)
            return None

    compiled(
        "{file: [read, write], match: {path: /bin/bash}, action: deny}",
        spec=POD,
        host=Asking(workloads=(ONE,)),
    )

    assert b"/bin/bash" in asked
    assert not [path for path in asked if path.startswith(ONE.root + b"/")]


def test_a_root_has_the_names_that_the_host_gives_it():
    """The oldest mount that shows it names it; the host's own root is no container's."""
    mounts = (Mount(1, b"/", b"/"), Mount(2, b"/", b"/srv/first"), Mount(2, b"/", ONE.root))
    names = LinkedNames(Names(MadeUpHost(mounts=mounts, workloads=(ONE,))))
    path = Text(TextKind.EXACT, b"/bin/bash", Span("f", 1, 1))

    assert Exact(b"/srv/first/usr/bin/busybox") in names.of(path, (), 4096)
    own = Workload(b"/docker/x", {}, b"/", LINKS)
    assert () == LinkedNames(Names(MadeUpHost(workloads=(own,)))).of(path, (), 4096)
    moved = (Mount(1, b"/", b"/"), Mount(1, b"/", ONE.root))
    assert () == LinkedNames(Names(MadeUpHost(mounts=moved, workloads=(ONE,)))).of(path, (), 4096)


def test_each_container_has_its_share_of_the_room(monkeypatch):
    """One with very many names takes nothing from another, and is told."""
    monkeypatch.setattr("enforcer.compiler.linked.MAX_FORMS", 8)
    monkeypatch.setattr("enforcer.compiler.linked.MAX_GLOBS", 2)
    many = container("many", {b"/d%d" % i: (b"x%d" % i,) for i in range(30)})
    names = LinkedNames(Names(MadeUpHost(workloads=(many, ONE))))
    span = Span("f", 1, 1)
    hostile = [Text(TextKind.EXACT, b"/d%d/a" % i, span) for i in range(30)]

    found = [form for text in hostile for form in names.of(text, (), 4096)]
    again = [form for text in hostile for form in names.of(text, (), 4096)]
    fair = names.of(Text(TextKind.EXACT, b"/bin/bash", span), (), 4096)

    assert 4 == len(found) == len(again)
    assert {many.cgroup} == names.left_out
    assert 2 == len(fair)
    globs = [names.of(Text(TextKind.GLOB, b"/d%d/*.key" % i, span), (), 4096) for i in range(30)]
    assert 1 == len([each for each in globs if each])
    assert isinstance(globs[0][0], Glob)
    assert (Below(ONE.root + b"/run"),) == names.of(
        Text(TextKind.GLOB, b"/var/run/**", span), (), 4096
    )


def test_a_name_that_is_too_long_for_an_executable_is_left_out():
    """Of such an executable the kernel side knows nothing: onError decides."""
    names = LinkedNames(Names(MadeUpHost(workloads=(ONE,))))
    text = Text(TextKind.EXACT, b"/bin/" + b"a" * 200, Span("f", 1, 1))

    assert () == names.of(text, (), 256)
    assert 1 == len(names.of(text, (), 4096))


TWO = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: inner}
spec:
  selector: {container: {name: one}}
  rules: [{file: read, match: {path: /srv/a, notProcess: {binary: /usr/bin/vault}}, action: deny}]
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: outer}
spec:
  rules: [{file: read, match: {path: /srv/vault, notProcess: {binary: /usr/bin/vault}}, action: deny}]
"""


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_program_of_a_container_is_none_of_the_host(is_turned):
    """Two policies trust the same name; only the one about containers means theirs."""
    texts = TWO.split("---\n")
    policies = load_text("---\n".join(texts[::-1] if is_turned else texts), "p.yaml")
    image = compile_policies(policies, host=HOST)
    core = Core(image.image)
    vault = core.subject(Identity(exe=inside(ONE, "/usr/bin/vault").encode(), cgroup=ONE.cgroup))

    def refuses(path: bytes) -> bool:
        access = Access(ops=(Op.READ,), operands={Dim.PATH: path})
        return core.decide(vault, access).action == Verb.DENY

    assert refuses(b"/srv/vault")
    assert not refuses(b"/srv/a")


def test_conditions_keep_their_numbers_when_links_come():
    """Labels are of what is asked, not of where links lead at the moment."""
    rule = "{file: write, match: {path: /data, process: {binary: /bin/bash}}, action: deny}"
    policies = load(rule, spec=POD)
    bare = MadeUpHost(workloads=(container("one", {}),))
    first = compile_policies(policies, host=bare)
    second = compile_policies(policies, host=HOST, generation=2, previous=first.labels)

    assert first.labels == second.labels
    assert second.continues
    subjects = Subjects(Atoms(Names(HOST)))
    (policy,) = policies.policies
    subjects.of_rule(policy, policy.rules[0])
    assert 2 == len(subjects.labels)
