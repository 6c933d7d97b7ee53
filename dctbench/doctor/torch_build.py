"""Checks of the torch that cases run with: build, threads and attention kernels, as a worker reports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.errors import UnavailableError
from dctbench.protocol import Failure, TorchReply
from dctbench.text.format import listed

KERNELS = ("flash", "efficient", "cudnn", "math")
_CAPABILITIES = {"avx512f": "AVX512", "avx2": "AVX2"}


def findings(reply: TorchReply | Failure, facts: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of every check of torch.

    Args:
        reply: the reply of a worker to `InspectRequest`.
        facts: the facts of the environment.
    """
    if isinstance(reply, Failure):
        last = reply.output.splitlines()[-1] if reply.output else reply.message
        return [
            failure("torch", f"a worker cannot use it: {last}", "reinstall it: pip install --force-reinstall torch",
                    UnavailableError.exit_code)
        ]  # fmt: skip
    torch = reply.torch
    return [
        build(torch, facts["cpu_flags"]),
        threads(torch["threads"], facts),
        *(kernels(device, found) for device, found in torch["kernels"].items()),
    ]


def build(torch: Mapping[str, Any], flags: list[str]) -> Finding:
    """Check version, libraries, and whether torch uses the vector instructions of the processor."""
    libraries = [
        name
        for name, present in (
            ("MKL", torch["mkl"]),
            ("oneDNN", torch["onednn"]),
            (f"CUDA {torch['cuda']}", torch["cuda"]),
            (f"ROCm {torch['hip']}", torch["hip"]),
        )
        if present
    ]
    capability = torch["cpu_capability"]
    threading = f"threads by {torch['parallel_backend']}"
    found = ", ".join([torch["version"], *libraries, threading, f"{capability} kernels"])
    if torch["debug"]:
        return warning("torch", f"{found}; a debug build", "install a release build: debug builds are slow")
    expected = next((name for flag, name in _CAPABILITIES.items() if flag in flags), capability)
    if capability in ("AVX2", "DEFAULT") and expected != capability:
        return warning(
            "torch",
            f"{found}, though the processor has {expected}",
            "unset ATEN_CPU_CAPABILITY if it is set; latencies are those of a slower machine",
        )
    return ok("torch", found)


def threads(number: int, facts: Mapping[str, Any]) -> Finding:
    """Check whether torch uses more threads than there are cores."""
    usable, physical = facts["cores_usable"], facts["cores_physical"] or facts["cores_usable"]
    asked = facts["thread_env"].get("OMP_NUM_THREADS")
    why = f"OMP_NUM_THREADS={asked}" if asked else "torch's default"
    found = f"{number} in torch ({why}), {usable} usable core{'s' if usable != 1 else ''}"
    if number > usable:
        return warning(
            "threads",
            f"{found}: threads wait for each other",
            f"OMP_NUM_THREADS={usable}, or --threads {usable}",
        )
    if number > physical:
        return warning(
            "threads",
            f"{found}, {physical} of them physical: two threads share a core's arithmetic",
            f"OMP_NUM_THREADS={physical}, or --threads {physical}",
        )
    if asked and number < usable:
        return ok("threads", f"{found}: the other cores stay idle, as requested")
    return ok("threads", found)


def kernels(device: str, found: Mapping[str, Any]) -> Finding:
    """Report which kernel `scaled_dot_product_attention` chooses, which ones can be requested, or that none can run."""
    if "unusable" in found:
        return warning(
            "attention",
            str(found["unusable"]),
            "another process may hold it, or the driver or this build of torch may not suit it: see nvidia-smi",
        )
    chosen: dict[str, list[str]] = {}
    for dtype, kernel in found.items():
        chosen.setdefault(kernel["chosen"], []).append(dtype)
    available = [name for name in KERNELS if any(name in kernel["available"] for kernel in found.values())]
    choices = ", ".join(
        kernel if len(chosen) == 1 else f"{kernel} for {listed(dtypes)}" for kernel, dtypes in chosen.items()
    )
    absent = [name for name in KERNELS if name not in available]
    text = f"{device}: sdpa runs {choices}; available as sdpa-*: {', '.join(available)}"
    text += f", not {' or '.join(absent)}" if absent else ""
    if set(chosen) == {"math"}:
        return warning(
            "attention", text, "no fused kernel: exact attention is slower than it could be; try another build of torch"
        )
    return ok("attention", text)
