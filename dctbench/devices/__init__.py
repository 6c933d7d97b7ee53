"""The kinds of device behind one small interface: wait for it, describe it, and tell its out-of-memory error.

A device kind is one module with these functions and its one line in `dctbench.catalog`.
"""

from __future__ import annotations

from typing import Protocol


class DeviceModule(Protocol):
    """What a device's module offers; `name` is the device as the user wrote it, such as `cpu` or `cuda:0`."""

    def synchronize(self, name: str) -> None:
        """Wait until everything queued on the device is done."""

    def memory_bytes(self, name: str) -> int:
        """Memory that a process could get on the device now, in bytes."""

    def out_of_memory(self, error: BaseException) -> str | None:
        """What was asked for, as a sentence, when `error` says that memory ran out; else None."""
