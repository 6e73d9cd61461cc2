# SPDX-License-Identifier: MIT
"""Where the API server is, by what it is known, and with what the agent makes itself known."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from enforcer.cluster.agent.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAMESPACE", "SERVICE_ACCOUNT", "Access"]

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token and the authority of its cluster."""

NAMESPACE: Final = SERVICE_ACCOUNT / "namespace"
"""Where a pod finds the namespace that it is in."""

_MAX_TOKEN: Final = 64 << 10
_HTTPS: Final = 443


@attrs.frozen
class Access:
    """
    The way to one API server. Files are read when a connection begins, since both are renewed while we run.

    Attributes:
        token_file: what it has proves who we are.
        ca_file: the authorities that may vouch for the server.
    """

    host: str
    port: int
    token_file: Path
    ca_file: Path

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        server: str | None = None,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        folder: Path = SERVICE_ACCOUNT,
    ) -> Access:
        """
        Find the way from what is given, and else from what a pod is told.

        Args:
            environ: with the addresses of the cluster's services.
            server: ``https://HOST:PORT``.
            token_file: default: the token in *folder*.
            ca_file: default: the authority in *folder*.
            folder: of the pod's service account.

        Raises:
            ValueError: no server is named, or it is not one that can be verified.
        """
        if server is not None:
            host, port = _host_and_port(server)
        else:
            host = environ.get("KUBERNETES_SERVICE_HOST", "")
            given = environ.get("KUBERNETES_SERVICE_PORT", str(_HTTPS))
            if not host:
                raise ValueError("no API server is known: run in a pod, or give --server")
            if not given.isdecimal():
                raise ValueError(f"KUBERNETES_SERVICE_PORT is no port: {given!r}")
            port = int(given)
        return cls(host, port, token_file or folder / "token", ca_file or folder / "ca.crt")

    def context(self) -> ssl.SSLContext:
        """
        Make what verifies the server: its certificate, and that it is for this host.

        Raises:
            KubeError: the authorities cannot be read.
        """
        try:
            made = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or error
            raise KubeError(f"cannot read the authorities in {self.ca_file}: {why}") from error
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python 3.13 demands identifiers of keys, which no authority of a cluster has that is older than
        # Kubernetes 1.19. Who vouches, and for which host, is verified all the same.
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return made

    def token(self) -> str:
        """
        Read the token.

        Raises:
            KubeError: there is none, or it could not be sent.
        """
        try:
            with self.token_file.open("rb") as file:
                raw = file.read(_MAX_TOKEN + 1)
        except OSError as error:
            raise KubeError(f"cannot read the token {self.token_file}: {error.strerror}") from error
        try:
            text = raw.decode("ascii").strip()
        except UnicodeDecodeError:
            text = ""
        # A line break would be another header.
        if not text or len(raw) > _MAX_TOKEN or not text.isprintable() or " " in text:
            raise KubeError(f"there is no token in {self.token_file}")
        return text


def _host_and_port(server: str) -> tuple[str, int]:
    try:
        parts = urlsplit(server)
        port = parts.port or _HTTPS
    except ValueError as error:
        raise ValueError(f"{server!r} is no address of a server: {error}") from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "https" or not parts.hostname or extra:
        raise ValueError(f"{server!r} is no address of a server: write https://HOST:PORT")
    return parts.hostname, port
