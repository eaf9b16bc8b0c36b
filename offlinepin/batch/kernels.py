"""The batch kernels of this machine: the C kernel in each width that its processor has (:mod:`.native`), and :mod:`.pure`."""

from __future__ import annotations

import os
from functools import cache
from typing import Final

from offlinepin.batch.kernel import Kernel
from offlinepin.batch.pure import PureKernel
from offlinepin.errors import KernelError

ENVIRONMENT_VARIABLE: Final = "OFFLINEPIN_KERNEL"


def available() -> tuple[str, ...]:
    """The kernels that this machine can run, fastest first; ``pure`` is always the last."""
    return (*_native_names(), "pure")


def load(name: str | None = None) -> Kernel:
    """The kernel of this name, else of the environment variable ``OFFLINEPIN_KERNEL``, else the fastest.

    Raises:
        KernelError: this machine has no such kernel.
    """
    names = available()
    name = name or os.environ.get(ENVIRONMENT_VARIABLE) or names[0]
    if name not in names:
        raise KernelError(f"there is no batch kernel {name!r} on this machine; it has {', '.join(names)}")
    if name == "pure":
        return PureKernel()
    from offlinepin.batch.native import NativeKernel

    return NativeKernel(name)


@cache
def _native_names() -> tuple[str, ...]:
    try:
        from offlinepin.batch.native import names
    except ImportError:  # installed without a C compiler, or without cffi
        return ()
    return names()
