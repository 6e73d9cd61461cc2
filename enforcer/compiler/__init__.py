# SPDX-License-Identifier: MIT
"""The compiler: typed model to one binary image. Needs no privileges and no kernel."""

from enforcer.compiler.compiled import CompiledImage, Needs, compile_policies
from enforcer.compiler.containers import ContainerAtoms
from enforcer.compiler.explain import explain
from enforcer.compiler.host import BareHost, Host, LocalHost, Mount
from enforcer.compiler.image import Counts
from enforcer.compiler.linked import LinkAsks
from enforcer.compiler.lower import RowInfo, RowKind
from enforcer.compiler.subjects import LabelNumbers
from enforcer.compiler.verify import verify

__all__ = [
    "BareHost",
    "CompiledImage",
    "ContainerAtoms",
    "Counts",
    "Host",
    "LabelNumbers",
    "LinkAsks",
    "LocalHost",
    "Mount",
    "Needs",
    "RowInfo",
    "RowKind",
    "compile_policies",
    "explain",
    "verify",
]
