# SPDX-License-Identifier: MIT
"""Put the parts of a daemon together: the same for enforcing and for dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.decode import Decoder, Layout
from enforcer.events.enrich import Enricher
from enforcer.identity.resolver import Resolver
from enforcer.libbpf import abi
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.enrich import Origins
    from enforcer.identity.workloads import Workloads
    from enforcer.runtime.daemon import Daemon
    from enforcer.sinks.base import Sink

__all__ = ["pipeline_for"]


def pipeline_for(
    daemon: Daemon,
    origins: Origins,
    sinks: Sequence[Sink],
    report: Callable[[str], None],
    *,
    redact: Sequence[str] = (),
    workloads: Workloads | None = None,
) -> Pipeline:
    """
    Make the way from the session of *daemon* to *sinks*.

    Args:
        daemon: whose loop waits for readers, and whose followers are told.
        origins: the rules that rows are from.
        sinks: where records go.
        report: gets sentences on failures.
        redact: patterns of arguments to hide from everybody.
        workloads: which containers and pods there are; default: those of this host.
    """
    resolver = Resolver() if workloads is None else Resolver(workloads=workloads)
    return Pipeline(
        session=daemon.session,
        decoder=Decoder(Layout(*abi.decoder("enf_event"))),
        enricher=Enricher(origins, resolver),
        fanout=Fanout.to(sinks, report, daemon.reactor),
        audience=daemon,
        redactor=Redactor.of(redact),
    )
