# SPDX-License-Identifier: MIT
"""
Programs at functions of the kernel, at their entry or at their end.

One program is attached to many functions at once if the kernel can do that (``kprobe.multi``, CONFIG_FPROBE).
Otherwise it is attached to each by itself, which takes longer, also to detach.
"""

from __future__ import annotations

import errno
import functools
import resource
from collections.abc import Iterator, Sequence

import attrs

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import loader
from enforcer.libbpf.handles import Link, Program

__all__ = ["At", "attachments", "prepare", "takes", "takes_at", "takes_many"]

Functions = Sequence[tuple[str, int]]
"""Names of functions, with the cookie that tells the program which one it is at."""

_SAMPLE = "__x64_sys_getpid"


def prepare(program: Program) -> None:
    """
    Switch on *program*, of an opened object, and say how it will be attached.

    Raises:
        KernelError: if libbpf refuses.
    """
    _prepare(program, many=takes_many())


def attachments(program: Program, of: Functions, *, at_end: bool = False) -> Iterator[At]:
    """Yield what is to be attached so that the loaded *program* is at every function *of* them."""
    if takes_many():
        yield At(program, of, at_end=at_end)
        return
    _allow_many_files()
    for each in of:
        yield At(program, [each], at_end=at_end)


@attrs.frozen
class At:
    """A loaded program with the functions that it is for: several only if the kernel takes that."""

    program: Program
    functions: Functions
    at_end: bool = False

    def attach(self) -> Link:
        """
        Attach it.

        Raises:
            UnsupportedError: if the kernel refuses one.
        """
        try:
            return self._attach(self.functions)
        except KernelError as error:
            if error.errno == errno.EMFILE:
                raise UnsupportedError(
                    "this kernel takes one program at one function, which needs two open files for "
                    "each, and this process may have too few: raise LimitNOFILE of the service, or "
                    "name fewer system calls",
                    error.errno,
                ) from error
            raise UnsupportedError(
                f"this kernel accepts no program at the function {self._refused()}",
                error.errno or 0,
            ) from error

    def _refused(self) -> str:
        """Name the functions that are refused: the kernel does not say."""
        if len(self.functions) == 1:
            return self.functions[0][0]
        found = []
        for each in self.functions:
            try:
                self._attach([each]).close()
            except KernelError:
                found.append(each[0])
        return ", ".join(found or (name for name, _ in self.functions))

    def _attach(self, functions: Functions) -> Link:
        return _attach(self.program, functions, many=takes_many(), at_end=self.at_end)


def _allow_many_files() -> None:
    """
    Let this process open as many files as it may: each attachment has two, and a system call has up to a dozen entries.

    What the lower limit is for, select(2), nothing here uses.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except ValueError:
        # More than fs.nr_open. It stays as it is: whoever needs more is refused when attaching, which says so.
        return


@functools.cache
def takes_many() -> bool:
    """Tell whether this kernel takes one program at many functions; found by attaching one."""
    return _takes("enf_probe_many", many=True)


def takes(program: str) -> bool:
    """Tell whether this kernel takes *program*, of the probe, at a system call; found by attaching it."""
    return _takes(program, many=takes_many())


def takes_at(of: Functions) -> bool:
    """Tell whether this kernel takes a program at every function *of* them; found by attaching one."""
    many = takes_many()
    groups = [of] if many else [[each] for each in of]
    return all(_takes("enf_probe_many", many=many, at=group) for group in groups)


def _takes(name: str, *, many: bool, at: Functions = ((_SAMPLE, 0),)) -> bool:
    try:
        with loader.open_object("probe") as probe:
            probe.programs["enf_probe_called"].set_autoload(enabled=False)
            program = probe.programs[name]
            _prepare(program, many=many)
            probe.load()
            _attach(program, at, many=many, at_end=False).close()
    except KernelError:
        return False
    return True


def _prepare(program: Program, *, many: bool) -> None:
    program.set_autoload(enabled=True)
    if not many:
        program.set_for_one_function()


def _attach(program: Program, functions: Functions, *, many: bool, at_end: bool) -> Link:
    if many:
        return program.attach_to(functions, at_end=at_end)
    ((name, cookie),) = functions
    return program.attach_to_one(name, cookie, at_end=at_end)
