"""The processor of this machine: its name, the numbers that identify it, and its flags.

This module imports nothing but the standard library, and runs under Python 3.9: a bundle carries a copy of it.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator

if __package__:
    from dctbench.machine.system_files import read_text
else:
    from system_files import read_text  # type: ignore[no-redef]  # the copy beside this program, in a bundle

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni", "amx_tile", "amx_bf16",
         "amx_int8", "asimd", "asimdhp", "bf16", "i8mm", "sve", "sve2")  # fmt: skip
"""The processor flags that determine the speed of matrix products."""

_X86_ID = ("vendor_id", "cpu family", "model", "stepping")
_ARM_ID = ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision")
_BOARDS = ("Model", "Hardware")
"""What the kernels of 32-bit and 64-bit ARM boards call the board in /proc/cpuinfo."""
_SYSCTL = "/usr/sbin/sysctl"
_SYSCTL_SECONDS = 5.0


def cpu_model() -> str:
    """Return the name of the processor, or of the board where the system names only that."""
    named = facts().get("model name") or _board() or _sysctl("machdep.cpu.brand_string")
    return named or platform.processor() or platform.machine()


def cpu_id() -> str | None:
    """Return the numbers that identify a processor even if its name is shortened or says nothing.

    On x86 these are vendor, family, model and stepping; on ARM implementer, architecture, variant, part and revision of
    each kind of core; on macOS it is the model of the computer.
    """
    blocks = list(_blocks())
    words = [blocks[0].get(key, "?") for key in _X86_ID]
    if set(words) - {"?"}:
        return " ".join(words)
    kinds = {"/".join(block.get(key, "?") for key in _ARM_ID) for block in blocks if "CPU part" in block}
    return "+".join(sorted(kinds)) or _sysctl("hw.model")


def cpu_flags() -> list[str]:
    """Return those of `FLAGS` that this processor has."""
    present = set(_flags().split())
    return [flag for flag in FLAGS if flag in present]


def flags_known() -> bool:
    """Return whether the system reports the flags of the processor."""
    return bool(_flags())


def facts() -> dict[str, str]:
    """Return what Linux reports of the first logical core; empty if it reports nothing."""
    return next(_blocks())


def _flags() -> str:
    found = facts()
    return found.get("flags") or found.get("Features") or ""


def _board() -> str | None:
    tree = (read_text("/proc/device-tree/model") or "").strip("\0")
    *_, last = _blocks()
    return tree or next((last[key] for key in _BOARDS if last.get(key)), None)


def _blocks() -> Iterator[dict[str, str]]:
    """Yield the facts of each logical core in /proc/cpuinfo, at least once; those of the board follow at the end."""
    for block in (read_text("/proc/cpuinfo") or "").split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines())
        yield {key.strip(): value.strip() for key, _, value in lines}


def _sysctl(name: str) -> str | None:
    """Return a value that the kernel of macOS reports."""
    if platform.system() != "Darwin":
        return None
    try:
        done = subprocess.run(
            [_SYSCTL, "-n", name], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SYSCTL_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
