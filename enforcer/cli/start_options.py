# SPDX-License-Identifier: MIT
"""The options of ``enforcer start``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.cli.arguments import (
    add_policies,
    add_socket,
    confirmation_time,
    file_path,
    log_file,
    loopback_port,
    metrics_file,
    socket_address,
    user_number,
)
from enforcer.cli.colours import add_color
from enforcer.cli.passphrase import add_key_fd

if TYPE_CHECKING:
    from enforcer.cli.arguments import Arguments

__all__ = ["add_arguments"]

_FLAG = argparse.BooleanOptionalAction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments. Their default is None, which leaves the word to the configuration."""
    _add_policies(parser.add_argument_group("policies"))
    _add_outputs(parser.add_argument_group("records and metrics"))
    _add_safety(parser.add_argument_group("safety"))
    _add_terminal(parser.add_argument_group("terminal"))
    _add_service(parser.add_argument_group("service"))
    parser.set_defaults(socket=None)


def _add_policies(group: Arguments) -> None:
    """Add what is activated."""
    add_policies(group, optional=True)
    group.add_argument(
        "--allow-empty",
        action="store_true",
        help="start without a policy if there is none yet in the folders, and enforce nothing",
    )
    group.add_argument(
        "--tolerant",
        action=_FLAG,
        help="for folders that a machine fills: what is wrong with one file keeps no other out, and "
        "what that file said before stays active",
    )
    group.add_argument(
        "--policy-owner",
        metavar="UID",
        type=user_number,
        help="a user whose policy files and files of pods count as root's do: the agent of a cluster",
    )
    group.add_argument(
        "--pods-dir",
        metavar="FOLDER",
        type=file_path,
        help="folder of files of pods (default: /etc/enforcer/pods.d)",
    )
    group.add_argument(
        "--watch",
        action=_FLAG,
        help="activate policy files when they change (default: yes)",
    )


def _add_outputs(group: Arguments) -> None:
    """Add where records and metrics go."""
    group.add_argument(
        "--json-log",
        metavar="FILE",
        type=log_file,
        help="append records as JSON, one object per line; - is standard output",
    )
    group.add_argument(
        "--logfmt-log", metavar="FILE", type=log_file, help="append records as logfmt; or -"
    )
    group.add_argument(
        "--ocsf-log",
        metavar="FILE",
        type=log_file,
        help="append records as OCSF events, one per line; or -",
    )
    group.add_argument(
        "--syslog",
        metavar="ADDRESS",
        type=socket_address,
        help="send records to syslog: unix:/dev/log, udp:192.0.2.1:514, tcp:192.0.2.1:601",
    )
    group.add_argument(
        "--journald", action=_FLAG, help="send records to the journal of systemd, with their fields"
    )
    group.add_argument(
        "--metrics",
        metavar="ADDRESS:PORT",
        type=loopback_port,
        help="address where Prometheus reads metrics: 127.0.0.1:9753",
    )
    group.add_argument(
        "--metrics-file",
        metavar="FILE",
        type=metrics_file,
        help="file of metrics for the textfile collector of the node exporter",
    )
    group.add_argument(
        "--results",
        metavar="FILE",
        type=file_path,
        help="file that says what became of each policy, for the agent of a cluster",
    )


def _add_safety(group: Arguments) -> None:
    """Add what guards the system against policies, and the engine against others."""
    group.add_argument(
        "--audit", action=_FLAG, help="put every policy in audit mode: permit and record"
    )
    group.add_argument(
        "--allow-degraded",
        action=_FLAG,
        help="accept rules that this kernel can only enforce after the fact, or not every time",
    )
    group.add_argument(
        "--confirm-within",
        metavar="TIME",
        type=confirmation_time,
        help="go back to the previous policies unless `enforcer confirm` comes in time",
    )
    group.add_argument(
        "--watch-confirm-within",
        metavar="TIME",
        type=confirmation_time,
        help="take back what the watch has activated unless `enforcer confirm` comes in time",
    )
    group.add_argument(
        "--reload-confirm-within",
        metavar="TIME",
        type=confirmation_time,
        help="take back what a reload has activated unless `enforcer confirm` comes in time",
    )
    _add_protection(group)


def _add_protection(group: Arguments) -> None:
    """Add what keeps others from the engine."""
    group.add_argument(
        "--protect",
        action=_FLAG,
        help="keep other processes, also root's, away from the engine and this process",
    )
    group.add_argument(
        "--key",
        metavar="FILE",
        type=file_path,
        help="with --protect: ending or changing enforcement takes the passphrase of this key, "
        "also for the service manager; make it with `enforcer key FILE`",
    )
    add_key_fd(group)


def _add_terminal(group: Arguments) -> None:
    """Add what is shown here."""
    group.add_argument(
        "--dashboard",
        action="store_true",
        help="show a dashboard instead of records; enforcement goes on when you close it",
    )
    group.add_argument("--quiet", "-q", action=_FLAG, help="print only start and end, no records")
    add_color(group)


def _add_service(group: Arguments) -> None:
    """Add the settings of a daemon: its file, what stays at its end, and where it is found."""
    group.add_argument(
        "--config",
        metavar="FILE",
        type=file_path,
        help=f"configuration file; options given here take precedence (default: {places.CONFIG} "
        "if it exists and no POLICY is given)",
    )
    group.add_argument(
        "--persist",
        action=_FLAG,
        help="leave enforcement active when this process ends normally, too",
    )
    pins = group.add_mutually_exclusive_group()
    pins.add_argument(
        "--pins",
        metavar="FOLDER",
        type=file_path,
        help=(
            "where enforcement is pinned, so that it outlives this process (default: "
            f"{places.PINS})"
        ),
    )
    pins.add_argument(
        "--no-pins",
        dest="is_unpinned",
        action="store_true",
        help="let enforcement end with this process, however it ends",
    )
    add_socket(group)
