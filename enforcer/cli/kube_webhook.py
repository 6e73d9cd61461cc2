# SPDX-License-Identifier: MIT
"""
Check policies of a Kubernetes cluster before its API server stores them, as a validating webhook.

What the nodes would refuse is refused at once, with the reason and the path of the field. It needs no privileges and
asks nobody anything. It enforces nothing: agents decide, also while it is away.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from enforcer.cli.arguments import file_path, listening_address
from enforcer.cli.exits import Exit, UsageError, complain

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer kube-webhook --certificate /tls/tls.crt --key /tls/tls.key
  enforcer kube-webhook --listen 127.0.0.1:9443 \\
      --certificate tls.crt --key tls.key
"""

_LISTEN = ("::", 9443)
_BACKLOG = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--listen",
        metavar="ADDRESS:PORT",
        type=listening_address,
        default=_LISTEN,
        help="where API servers reach it (default: [::]:9443, which is all addresses, of IPv4 too)",
    )
    parser.add_argument(
        "--certificate",
        metavar="FILE",
        type=file_path,
        required=True,
        help="certificate of the server in PEM, and those that vouch for it; read again when it changes",
    )
    parser.add_argument(
        "--key",
        metavar="FILE",
        type=file_path,
        required=True,
        help="key of the certificate in PEM, without a passphrase; read again when it changes",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from enforcer.cluster.agent.troubles import Troubles
    from enforcer.cluster.webhook.certificate import Certificate
    from enforcer.cluster.webhook.checkers import Checkers
    from enforcer.cluster.webhook.counts import Counts
    from enforcer.cluster.webhook.server import WebhookServer

    checkers = Checkers()
    checkers.start()  # before there are a key, a port and a loop: none of them is theirs
    try:
        certificate = Certificate(args.certificate, args.key, Troubles(complain), complain)
        try:
            certificate.read()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the certificate {args.certificate} and the key {args.key} cannot be used: {error}"
            ) from error
        listener = _listen(*args.listen)
        host, port = listener.getsockname()[:2]
        complain(
            f"checking policies at https://{f'[{host}]' if ':' in host else host}:{port}/validate"
        )
        counts = Counts(complain)
        # Whoever reaches the port can cause these, so they share the limit of lines.
        WebhookServer(listener, certificate, checkers, counts, Troubles(counts.tell)).run()
    finally:
        checkers.close()
    complain("ended; policies are stored unchecked now, and nodes decide as before")
    return Exit.OK


def _listen(host: str, port: int) -> socket.socket:
    """
    Listen.

    Raises:
        UsageError: the port is taken, or there is no such address.
    """
    try:
        if host == "::" and not socket.has_dualstack_ipv6():
            host = "0.0.0.0"  # noqa: S104 - all addresses, as was asked for
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=host == "::"
        )
    except OSError as error:
        raise UsageError(
            f"cannot listen at {host} port {port}: {error.strerror or error}"
        ) from error
