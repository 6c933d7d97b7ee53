"""Facts about torch that need torch itself: build, threads, attention kernels and GPUs.

The command line never imports torch, so `doctor` asks a worker for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from dctbench import catalog
from dctbench.attention import build
from dctbench.attention.sdpa import SDPAttention
from dctbench.errors import UnavailableError
from dctbench.model import JSON

KERNELS = ("sdpa-flash", "sdpa-efficient", "sdpa-cudnn", "sdpa-math")
DTYPES = ("float32", "bfloat16", "float16")


def torch_facts() -> JSON:
    """Return version, build and state of torch in this process, as plain JSON."""
    info = torch.__config__.parallel_info()
    return {
        "version": torch.__version__,
        "git": torch.version.git_version,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "debug": torch.version.debug,
        "blas": _setting("BLAS_INFO"),
        "mkl": torch.backends.mkl.is_available(),
        "onednn": torch.backends.mkldnn.is_available(),
        "openmp": torch.backends.openmp.is_available(),
        "parallel_backend": next(
            (line.partition(":")[2].strip() for line in info.splitlines() if "parallel backend" in line), "unknown"
        ),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "gpus": _gpus(),
        "kernels": {device: _kernels(device) for device in ["cpu", *(f"cuda:{i}" for i in _visible())]},
    }


def _kernels(device: str) -> dict[str, Any]:
    """Return the kernels of a device, or in `unusable` why torch cannot use it, as when another process holds it."""
    reason = catalog.DEVICES[device.partition(":")[0]].load().unavailable(device)
    return attention_kernels(device) if reason is None else {"unusable": reason}


def attention_kernels(device: str) -> dict[str, Any]:
    """Return by dtype the kernel that `scaled_dot_product_attention` chooses, and those that can be requested.

    They are those for length 1024 with 8 heads of dimension 64. torch decides by shape, so others may differ.
    """
    found: dict[str, Any] = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        shape: dict[str, Any] = {"seq_len": 1024, "dim": 512, "heads": 8, "dtype": dtype, "device": device}
        available = []
        for kernel in KERNELS:
            try:
                build(kernel, **shape)
            except UnavailableError:
                continue
            available.append(kernel.removeprefix("sdpa-"))
        layer = build("sdpa", **shape)
        assert isinstance(layer, SDPAttention)
        found[name] = {"chosen": layer.kernel(device, dtype), "available": available}
    return found


def _visible() -> range:
    """Return the numbers of the GPUs that torch can use."""
    return range(torch.cuda.device_count() if torch.cuda.is_available() else 0)


def _gpus() -> list[JSON]:
    found = []
    for index in _visible():
        properties = torch.cuda.get_device_properties(index)
        found.append(
            {
                "name": properties.name,
                "capability": f"{properties.major}.{properties.minor}",
                "memory_bytes": properties.total_memory,
                "built_for": has_code_for(properties.major, properties.minor, torch.cuda.get_arch_list()),
            }
        )
    return found


def has_code_for(major: int, minor: int, built: Sequence[str]) -> bool:
    """Return whether a build of torch with machine code for `built` (`sm_86`, `sm_90a`) runs on a GPU as it is.

    Code runs on GPUs of the same major number with an equal or higher minor one (CUDA C++ Programming Guide, "Binary
    Compatibility"). Code for `sm_90a` and the like runs on that number alone.
    """
    found = [re.fullmatch(r"sm_(\d+)(\d)([a-z]?)", name) for name in built]
    return any(
        int(code[1]) == major and (int(code[2]) == minor if code[3] else int(code[2]) <= minor)
        for code in found
        if code
    )


def _setting(name: str) -> str | None:
    """Return one of the build settings that torch lists in a line of text."""
    _, found, rest = torch.__config__.show().partition(f"{name}=")
    return rest.split(",")[0].strip() if found else None
