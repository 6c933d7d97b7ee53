"""Exact attention through one given kernel of torch, or an error that says why there is none; never another kernel.

torch falls back silently when it chooses by itself, and a benchmark of "flash" would then be one of something else.
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
    """`scaled_dot_product_attention` held to `backend`.

    Whether that kernel runs depends on device, dtype, shape and mask. It is asked for when the layer is built (an
    unmasked forward call, batch 1; not on the meta device, where nothing runs) and again for every other kind of call.
    `torch.compile` leaves the call as it is, with a break in the graph: compiled, `sdpa-math` would become the flash
    kernel.

    Raises:
        UnavailableError: "unavailable: ..." with torch's reasons.
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
        self._approved: set[tuple[object, ...]] = set()
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
            # Out of the compiler's reach: Inductor recognises the math kernel's products and puts the flash kernel
            # there. Not a decorator: it would import the compiler, a second of work, where nothing is compiled.
            run = torch.compiler.disable(run)
        return run(q, k, v, mask)

    def run(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """`scaled_dot_product_attention` by the one kernel, once torch has said that it will run for such tensors.

        To ask anew at every call would be a part of its time.
        """
        kind = (q.shape, k.shape, q.stride(), q.dtype, q.device, mask is None, q.requires_grad, torch.is_grad_enabled())
        if kind not in self._approved:
            self.choice(q, k, v, mask)
            self._approved.add(kind)
        with sdpa_kernel(self.backend):
            return scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def choice(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
        """The kernel it is held to.

        Raises:
            UnavailableError: where that kernel does not run for these tensors.
        """
        wanted = KERNELS[int(self.backend.value)]
        try:
            with sdpa_kernel(self.backend):
                chosen = super().choice(q, k, v, mask)
        except RuntimeError as error:  # torch's word for "no kernel is left"
            reason = self.reasons(q, k, v, mask) or str(error).split(". ")[0]
            raise UnavailableError(self.refusal(wanted, q, mask, reason)) from None
        if chosen != wanted:
            raise UnavailableError(self.refusal(wanted, q, mask, f"torch would run its {chosen} kernel"))
        return chosen

    def reasons(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
        """Why torch has no such kernel; it says so in warnings, and on some devices not at all."""
        with warnings.catch_warnings(record=True) as caught, sdpa_kernel(self.backend):
            warnings.simplefilter("always")
            with contextlib.suppress(RuntimeError):
                super().choice(q, k, v, mask)
        return " ".join(str(warning.message).split(" (Triggered")[0] for warning in caught)

    def refusal(self, wanted: str, q: Tensor, mask: Tensor | None, reason: str) -> str:
        """The sentence that a result carries."""
        masked = " with a padding mask" if mask is not None else ""
        dtype = str(q.dtype).removeprefix("torch.")
        return f"unavailable: torch has no {wanted} kernel on {q.device.type} for {dtype}{masked}: {reason}"


class FlashAttention(OneKernelAttention):
    """torch's flash kernel: blocks of the matrix pass through fast memory. Dao 2023 (arXiv 2307.08691).

    On CUDA it takes no padding mask and half precision only; on CPU it takes both.
    """

    backend = SDPBackend.FLASH_ATTENTION


class EfficientAttention(OneKernelAttention):
    """torch's memory-efficient kernel, from xFormers. Rabe and Staats 2021 (arXiv 2112.05682). Not on CPU."""

    backend = SDPBackend.EFFICIENT_ATTENTION


class MathAttention(OneKernelAttention):
    """torch's composite kernel: the matrix is formed, as in `full`."""

    backend = SDPBackend.MATH


class CudnnAttention(OneKernelAttention):
    """cuDNN's fused attention. NVIDIA GPUs only."""

    backend = SDPBackend.CUDNN_ATTENTION
