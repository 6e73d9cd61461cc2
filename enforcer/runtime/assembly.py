# SPDX-License-Identifier: MIT
"""Put the parts of a daemon together: the same for enforcing and for dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.decode import Decoder, Layout
from enforcer.events.enrich import Enricher
from enforcer.identity.resolver import Resolver
from enforcer.libbpf import abi
from enforcer.runtime.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.enrich import Origins
    from enforcer.runtime.daemon import Daemon
    from enforcer.sinks.base import Sink

__all__ = ["pipeline_for"]


def pipeline_for(
    daemon: Daemon,
    origins: Origins,
    sinks: Sequence[Sink],
    report: Callable[[str], None],
) -> Pipeline:
    """Make the way from the session of *daemon* to *sinks*; *report* gets sentences on failures."""
    return Pipeline(
        session=daemon.session,
        decoder=Decoder(Layout(*abi.decoder("enf_event"))),
        enricher=Enricher(origins, Resolver()),
        fanout=Fanout.to(sinks, report),
        listen=daemon.publish,
    )
