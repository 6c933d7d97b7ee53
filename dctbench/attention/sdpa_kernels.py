"""Exact attention through one given torch kernel, or an error that says why torch cannot run it.

When torch chooses by itself it falls back silently, and a benchmark of "flash" could then measure another kernel.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.sdpa import KERNELS, SDPAttention, key_mask
from dctbench.errors import UnavailableError


class OneKernelAttention(SDPAttention):
    """`scaled_dot_product_attention` restricted to the kernel `backend`.

    Whether that kernel runs depends on device, dtype, shape and mask. The layer asks torch when it is built (for an
    unmasked forward call with batch 1; not on the meta device, where nothing runs) and again for every other kind of
    call. `torch.compile` does not compile the call and breaks its graph there; it would turn `sdpa-math` into the
    flash kernel.

    Raises:
        UnavailableError: if torch cannot run the kernel, with torch's reasons.
    """

    backend: ClassVar[SDPBackend]

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self._restricted: dict[tuple[object, ...], bool] = {}
        own = self.q_proj.weight
        if own.device.type != "meta":
            self.kernel(own.device, own.dtype)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        mask = key_mask(key_padding_mask)
        if q.device.type == "meta":
            return scaled_dot_product_attention(q, k, v, attn_mask=mask)
        run = self.run
        if torch.compiler.is_compiling():
            # Inductor would recognise the math kernel's products and replace them with the flash kernel. A decorator
            # would import the compiler, which takes a second, even where nothing is compiled.
            run = torch.compiler.disable(run)
        return run(q, k, v, mask)

    def run(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Call `scaled_dot_product_attention` with the kernel, after torch has confirmed it for such tensors.

        torch is asked once per kind of call, since asking takes time that would be measured. The restriction takes
        time, too, and is left out where torch chooses the kernel anyway.
        """
        kind = (q.shape, k.shape, q.stride(), q.dtype, q.device, mask is None, q.requires_grad, torch.is_grad_enabled())
        restricted = self._restricted.get(kind)
        if restricted is None:
            wanted = self.choice(q, k, v, mask)
            restricted = self._restricted[kind] = super().choice(q, k, v, mask) != wanted
        if not restricted:
            return scaled_dot_product_attention(q, k, v, attn_mask=mask)
        with sdpa_kernel(self.backend):
            return scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def choice(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
        """Return the name of `backend`.

        Raises:
            UnavailableError: if that kernel does not run for these tensors.
        """
        wanted = KERNELS[int(self.backend.value)]
        try:
            with sdpa_kernel(self.backend):
                chosen = super().choice(q, k, v, mask)
        except RuntimeError as error:  # torch raises it when no kernel is available
            reason = self.reasons(q, k, v, mask) or str(error).split(". ")[0]
            raise UnavailableError(self.refusal(wanted, q, mask, reason)) from None
        if chosen != wanted:
            raise UnavailableError(self.refusal(wanted, q, mask, f"torch would run its {chosen} kernel"))
        return chosen

    def reasons(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
        """Return torch's reasons for having no such kernel. torch warns of them, on some devices not at all."""
        with warnings.catch_warnings(record=True) as caught, sdpa_kernel(self.backend):
            warnings.simplefilter("always")
            with contextlib.suppress(RuntimeError):
                super().choice(q, k, v, mask)
        return " ".join(str(warning.message).split(" (Triggered")[0] for warning in caught)

    def refusal(self, wanted: str, q: Tensor, mask: Tensor | None, reason: str) -> str:
        """Return the message of the error."""
        zero_padding = " with a padding mask" if mask is not None else ""
        dtype = str(q.dtype).removeprefix("torch.")
        return f"unavailable: torch has no {wanted} kernel on {q.device.type} for {dtype}{zero_padding}: {reason}"


class FlashAttention(OneKernelAttention):
    """torch's flash kernel: the matrix is computed in blocks in fast memory. Dao 2023 (arXiv 2307.08691).

    On CUDA it supports only half precision and no padding mask; on the CPU it also supports float32 and padding masks.
    """

    backend = SDPBackend.FLASH_ATTENTION


class EfficientAttention(OneKernelAttention):
    """torch's memory-efficient kernel, from xFormers. Rabe and Staats 2021 (arXiv 2112.05682). Not on the CPU."""

    backend = SDPBackend.EFFICIENT_ATTENTION


class MathAttention(OneKernelAttention):
    """torch's composite kernel: the matrix is stored, as in `full`."""

    backend = SDPBackend.MATH


class CudnnAttention(OneKernelAttention):
    """cuDNN's fused attention. NVIDIA GPUs only."""

    backend = SDPBackend.CUDNN_ATTENTION
