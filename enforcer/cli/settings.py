# SPDX-License-Identifier: MIT
"""The settings of ``enforcer start``: from its command line, the configuration file, and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer import places

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from enforcer.kernel.verifier import Verifier
    from enforcer.sinks.address import Address
    from enforcer.sinks.spec import OutputSpec

__all__ = ["Settings", "settings_from", "verifier_of"]

_NO_CONFIRMATION: Final = (
    "cannot be confirmed beside protect without a key and without a service manager, so enforcement would end "
    "after that time: start the service by systemctl, set a key, or leave one of both out"
)
"""What is wrong with a time for confirmation, behind its name."""


@attrs.frozen
class Settings:
    """
    One value for each option of ``start``.

    Attributes:
        policies: files and folders; none means the default folder.
        json_log: where records go as JSON lines, if anywhere.
        logfmt_log: where records go as logfmt, if anywhere.
        ocsf_log: where records go as OCSF events, if anywhere.
        syslog: where they go as syslog messages, if anywhere.
        journald: whether they go to the journal of systemd.
        outputs: where they go besides.
        metrics: loopback address and port where Prometheus reads metrics, if anywhere.
        metrics_file: where they are written for its node exporter, if anywhere.
        results: where it is written what became of each policy, if anywhere.
        redact: patterns of arguments to hide, wherever records go.
        audit: put every policy in audit mode.
        quiet: print no records.
        allow_degraded: accept rules that can only be enforced after the fact, or not every time.
        tolerant: give each policy file a verdict of its own, and keep what it said last.
        policy_owner: a user who may own policy files and files of pods, besides root.
        pods_dir: the folder of files of pods; None: the default one.
        tenant_quota: what the policies of one namespace may use together, where that is not the default.
        watch: activate changes of the policy files by themselves.
        protect: keep other processes, also root's, away from the engine.
        key: verifier of the key that ends that; None: the service manager ends it.
        persist: leave enforcement active at an orderly end.
        confirm_within: seconds after which what was started is taken back unless confirmed.
        watch_confirm_within: likewise for what the watch activates later.
        reload_confirm_within: likewise for what a reload activates that says no time of its own.
        socket: where the daemon is asked.
        pins: the folder on bpffs by which enforcement outlives the daemon; None: it does not.
    """

    policies: tuple[Path, ...] = ()
    json_log: Path | None = None
    logfmt_log: Path | None = None
    ocsf_log: Path | None = None
    syslog: Address | None = None
    journald: bool = False
    outputs: tuple[OutputSpec, ...] = ()
    metrics: tuple[str, int] | None = None
    metrics_file: Path | None = None
    results: Path | None = None
    redact: tuple[str, ...] = ()
    audit: bool = False
    quiet: bool = False
    allow_degraded: bool = False
    tolerant: bool = False
    policy_owner: int = 0
    pods_dir: Path | None = None
    tenant_quota: dict[str, int] = attrs.field(factory=dict)
    watch: bool = True
    protect: bool = False
    key: Path | None = None
    persist: bool = False
    confirm_within: float | None = None
    watch_confirm_within: float | None = None
    reload_confirm_within: float | None = None
    socket: Path = places.SOCKET
    pins: Path | None = places.PINS

    def with_arguments(self, args: argparse.Namespace) -> Settings:
        """Replace what *args* says; an option that was not given is None there."""
        given = {field.name: getattr(args, field.name, None) for field in attrs.fields(Settings)}
        given["policies"] = tuple(args.policies) or None
        settings = attrs.evolve(self, **{name: v for name, v in given.items() if v is not None})
        return attrs.evolve(settings, pins=None) if args.is_unpinned else settings

    def require_sense(self, *, is_service: bool) -> None:
        """
        Refuse what contradicts itself; *is_service*: the service manager starts the daemon.

        Raises:
            UsageError: what does.
        """
        from enforcer.cli.exits import UsageError

        if self.watch_confirm_within is not None and not self.watch:
            raise UsageError("--watch-confirm-within needs the watch: leave --no-watch out")
        if self.persist and self.pins is None:
            raise UsageError("--persist needs pins: leave --no-pins out")
        # A protected daemon takes a confirmation from its key, or from the service manager.
        if is_service or not self.protect or self.key is not None:
            return
        for name in ("confirm_within", "watch_confirm_within", "reload_confirm_within"):
            if getattr(self, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} {_NO_CONFIRMATION}")

    @property
    def has_no_way_back(self) -> bool:
        """Whether each reload counts for good: the service manager asks for it, and cannot say a time."""
        return self.protect and self.key is None and self.reload_confirm_within is None

    def all_outputs(self) -> tuple[OutputSpec, ...]:
        """
        List every output: those that have an option of their own, then the others.

        Raises:
            UsageError: two of them lead to one place.
        """
        from enforcer.cli.exits import UsageError
        from enforcer.sinks.spec import FileOutput

        logs = {"json": self.json_log, "logfmt": self.logfmt_log, "ocsf": self.ocsf_log}
        found: list[OutputSpec] = [
            FileOutput(path=path, form=form) for form, path in logs.items() if path is not None
        ]
        if self.syslog is not None:
            from enforcer.sinks.syslog import SyslogOutput

            found.append(SyslogOutput(address=self.syslog))
        if self.journald:
            from enforcer.sinks.journal import JournalOutput

            found.append(JournalOutput())
        found += self.outputs
        places: dict[str, OutputSpec] = {}
        for output in found:
            other = places.setdefault(output.place, output)
            if other is not output:
                raise UsageError(
                    f"{other.name} and {output.name} write to the same place: name another "
                    "place for one of them"
                )
        return tuple(found)


def settings_from(args: argparse.Namespace) -> Settings:
    """
    Put together what the file and the command line say; the command line wins.

    The file is ``--config``, else the default one if it exists. If policies are named, only ``--config``
    is read.

    Raises:
        UsageError: the file cannot be read or is not trusted.
        ConfigErrors: everything that is wrong in it.
    """
    file = args.config
    if file is None and not args.policies and places.CONFIG.exists():
        file = places.CONFIG
    if file is None:
        return Settings().with_arguments(args)
    from enforcer.cli.config import read_config

    return read_config(file).with_arguments(args)


def verifier_of(settings: Settings) -> Verifier | None:
    """
    Read the verifier that *settings* name; None if they name none.

    Raises:
        UsageError: it cannot be read, is not root's alone, or would protect nothing.
    """
    if settings.key is None:
        return None
    from enforcer.cli.config import trusted_content
    from enforcer.cli.exits import UsageError
    from enforcer.kernel.verifier import Verifier

    if not settings.protect:
        raise UsageError("--key needs --protect: give both")
    if settings.pins is None:
        raise UsageError("--key needs pins: leave --no-pins out")
    content = trusted_content(settings.key, "the key's verifier")
    try:
        return Verifier.read(content.decode("ascii"))
    except ValueError as error:
        raise UsageError(f"{settings.key} is not a verifier of a key: {error}") from None
