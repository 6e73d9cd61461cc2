# SPDX-License-Identifier: MIT
"""
Check policies before they are applied, and report what they would have refused in recordings of nodes.

The API server checks them without storing anything, then they are read as a node reads them. A recording is a file
here, or lies in the engine's container on a node, where `enforcer record` has made it. Nothing is changed anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer import places
from enforcer.amounts import plural
from enforcer.cli.arguments import file_or_stdin
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.cli.explain import mapped
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.resource import POLICIES, is_name, key_of
from enforcer.errors import PolicyError, PolicyErrors
from enforcer.plugin.cluster import Cluster, PolicyObject, maps_of
from enforcer.plugin.engines import Engines
from enforcer.plugin.kubectl import KubectlError
from enforcer.plugin.policy_files import PolicyFiles
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enforcer.cli.plugin_documents import RecordingReportDocument
    from enforcer.policy.model.policy import PolicySet

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  kubectl enforcer dry-run -f policy.yaml
                                          is it right? nothing is stored
  kubectl enforcer dry-run -f policy.yaml --recording monday.journal
  kubectl enforcer dry-run -f policy.yaml --recording node-1:/var/lib/enforcer/monday.journal

a recording of a node, made in the container of its engine:
  kubectl exec -n enforcer enforcer-x7k2p -c engine -- \\
      enforcer record --for 10m /var/lib/enforcer/monday.journal
"""

_ON_NODE: Final = re.compile(r"(?P<node>[^:/]+):(?P<path>/.+)", re.DOTALL)
_MOST: Final = 16 << 30
"""Bytes of a recording that is fetched; `enforcer record` ends one at 1 GiB unless it is told otherwise."""


@attrs.frozen
class _Recording:
    """A recording: a file here, or one in the container of the engine on *node*."""

    name: str
    path: str
    node: str = ""


def _recording(text: str) -> _Recording:
    """Read the name of a file, or NODE:/PATH; what is a file here is one."""
    found = _ON_NODE.fullmatch(text)
    if found is None or Path(text).exists():
        if not text:
            raise argparse.ArgumentTypeError("the name of a file is empty: name one")
        return _Recording(text, text)
    if not is_name(found["node"]):
        raise argparse.ArgumentTypeError(f"{found['node']!r} is not the name of a node")
    return _Recording(text, found["path"], found["node"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--filename",
        "-f",
        metavar="FILE",
        action="append",
        required=True,
        type=file_or_stdin,
        help="file of policies, as for kubectl apply; - is standard input; may be repeated",
    )
    parser.add_argument(
        "--recording",
        metavar="JOURNAL",
        action="append",
        default=[],
        type=_recording,
        help="recording of `enforcer record`: a file, or NODE:/PATH in the engine's container; may be "
        "repeated",
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Check, then try."""
    cluster = Cluster(args.kubectl)
    policies = tuple(_stored(args, cluster))
    if not policies:
        raise UsageError("there is no policy in what was given")
    with tempfile.TemporaryDirectory(prefix="kubectl-enforcer-") as place:
        folder = Path(place, "policies")
        folder.mkdir()
        files = PolicyFiles.of(policies, folder)
        files.write()
        checked = _checked(files)
        recordings = [
            _tried(recording, files, checked, Path(place), args) for recording in args.recording
        ]
    rules = sum(len(policy.rules) for policy in checked.policies)
    if args.form == JSON:
        print_document(
            {
                "version": 1,
                "policies": len(checked.policies),
                "rules": rules,
                "recordings": recordings,
            }
        )
        return Exit.OK
    if not recordings:
        print(f"ok: {plural(len(checked.policies), 'policy')}, {plural(rules, 'rule')}")
        complain(
            "nothing was tried: give --recording, a file of enforcer record, or NODE:/PATH of one on a node"
        )
    return Exit.OK


# ---- The policies -----------------------------------------------------------------------------


def _stored(args: argparse.Namespace, cluster: Cluster) -> Iterator[PolicyObject]:
    """
    Yield the policies as the API server would store them.

    Raises:
        PolicyErrors: it refuses them.
        UsageError: they cannot be read, or are something else.
    """
    where = (f"--namespace={args.namespace}",) if args.namespace else ()
    for path in args.filename:
        try:
            answer = cluster.kubectl.ask(
                *("apply", "--server-side", "--dry-run=server", "--output=json", "--filename=-"),
                *where,
                given=_text(path),
            )
        except KubectlError as error:
            if _is_about_text(error):
                raise PolicyErrors(
                    [PolicyError(f"{neutral(str(path))}: the API server refuses it: {error.said}")]
                ) from error
            if error.is_forbidden:
                raise UsageError(
                    "to have a policy checked needs the right to apply it: enforcer dry-run reads it "
                    f"without a cluster: {error.said}"
                ) from error
            raise
        yield from _objects(answer, path)


def _is_about_text(error: KubectlError) -> bool:
    """Whether the server has read the policy and refuses it."""
    words = ("(Invalid)", "(BadRequest)", "error validating", "error parsing", "is invalid")
    return any(word in error.said for word in words)


def _text(path: Path) -> bytes:
    """
    Read a file, as much of it as a policy can have.

    Raises:
        UsageError: it is larger.
        OSError: it cannot be read.
    """
    from enforcer.policy.text.loader import MAX_BYTES

    if path == places.STDIN:
        text = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise UsageError(f"{neutral(str(path))} has more than {MAX_BYTES:,} bytes")
    return text


def _objects(answer: bytes, path: Path) -> Iterator[PolicyObject]:
    try:
        found: Any = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise UsageError("kubectl does not print what was asked for, an object in JSON") from error
    is_list = isinstance(found, dict) and found.get("kind") == "List"
    for item in maps_of(found.get("items") if is_list else [found]):
        known = (item.get("apiVersion"), item.get("kind"))
        resource = next((r for r in POLICIES if (r.api_version, r.kind) == known), None)
        if resource is None:
            kinds = ", ".join(each.kind for each in POLICIES)
            raise UsageError(
                f"{neutral(str(path))} has something else than policies: give {kinds} only"
            )
        try:
            yield PolicyObject(resource, key_of(item, resource), item)
        except GarbageError as error:
            raise UsageError(f"the API server does not say what was asked for: {error}") from error


def _checked(files: PolicyFiles) -> PolicySet:
    """
    Read and compile the policies as a node does.

    Raises:
        PolicyErrors: everything that is wrong with them, by their fields.
    """
    from enforcer.runtime.policies.compilation import Sources, prepare

    with _with_fields(files):
        policies = Sources((files.folder,)).load()
        prepared = prepare(policies, is_thorough=True)
    for line in prepared.warnings:
        complain(files.renamed(line))
    return policies


@contextlib.contextmanager
def _with_fields(files: PolicyFiles) -> Iterator[None]:
    """Let errors name fields of policies, and not lines of files that nobody sees."""
    try:
        yield
    except PolicyErrors as found:
        errors: Sequence[PolicyError] = found.errors
    except PolicyError as found:
        errors = [found]
    else:
        return
    raise PolicyErrors([PolicyError(files.renamed(str(each))) for each in errors])


# ---- Recordings -------------------------------------------------------------------------------


def _tried(
    recording: _Recording,
    files: PolicyFiles,
    policies: PolicySet,
    place: Path,
    args: argparse.Namespace,
) -> RecordingReportDocument:
    """
    Try the policies on one recording; print the report, unless JSON is wanted, which is returned.

    Raises:
        UsageError: it cannot be had, or is no recording.
    """
    from enforcer.cli.dry_report import show
    from enforcer.cli.dry_run import replayed
    from enforcer.workbench.dryrun.fixes import Fixes
    from enforcer.workbench.dryrun.report import as_document

    with _here(recording, place, args) as journal, _with_fields(files):
        report = replayed(journal, [files.folder], name=recording.name)
    fixes = Fixes.of(policies, report)
    if args.form != JSON:
        print(f"{neutral(recording.name)}:")
        show(report, fixes, files.renamed)
        print()
    return {
        "recording": recording.name,
        "report": mapped(as_document(report, fixes), files.renamed),
    }


@contextlib.contextmanager
def _here(recording: _Recording, place: Path, args: argparse.Namespace) -> Iterator[Path]:
    """
    Give the recording as a file of this machine, for as long as it is read.

    Raises:
        UsageError: it is not there, or did not come as a whole.
    """
    if not recording.node:
        yield Path(recording.path)
        return
    engines = Engines(Cluster(args.kubectl), args.enforcer_namespace)
    journal = place / "journal"
    try:
        engine = engines.on(recording.node)
        size = engines.run(engine, "stat", "-L", "-c", "%s", "--", recording.path, most=64).strip()
        if not size.isdigit() or int(size) > _MOST:
            raise UsageError(f"{neutral(recording.name)} is no file of at most {_MOST:,} bytes")
        # As much as there is now: who records goes on meanwhile.
        words = engines.command(engine, "head", "-c", size.decode(), "--", recording.path)
        with journal.open("xb") as file:
            came = engines.cluster.kubectl.save(*words, into=file, most=int(size))
    except KubectlError as error:
        raise UsageError(f"cannot fetch {neutral(recording.name)}: {error.said}") from error
    if came != int(size):
        raise UsageError(f"of {neutral(recording.name)} only {came:,} of {int(size):,} bytes came")
    try:
        yield journal
    finally:
        journal.unlink()
