"""Exact attention through torch's fused kernels, the reference that a method has to beat.

`scaled_dot_product_attention` is one function with several kernels behind it. `sdpa` lets torch choose;
`dctbench.attention.sdpa_kernels` insists on one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UnsupportedError


class SDPAttention(AttentionLayer):
    """`scaled_dot_product_attention`, with the kernel that torch chooses on this device; `kernel` returns its name.

    Padded keys get no weight, so padding never changes a real token.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        return scaled_dot_product_attention(q, k, v, attn_mask=key_mask(key_padding_mask))

    def kernel(
        self,
        device: torch.device | str,
        dtype: torch.dtype,
        *,
        batch: int = 1,
        padded: bool = False,
        backward: bool = False,
    ) -> str:
        """Return the kernel that a call of this layer runs: "flash", "efficient", "math", "cudnn" or "overrideable".

        torch is asked for tensors with the layer's memory layout. Nothing is computed.

        Args:
            device: where the call runs.
            dtype: of q, k and v.
            batch: number of sequences in the call.
            padded: whether the call has a mask.
            backward: whether gradients are needed.

        Raises:
            UnsupportedError: on the meta device, where no kernel runs.
        """
        if torch.device(device).type == "meta":
            raise UnsupportedError("no kernel runs on the meta device")
        rows = torch.empty(batch, self.seq_len, self.dim, dtype=dtype, device=device, requires_grad=backward)
        mask = torch.ones(batch, self.seq_len, dtype=torch.bool, device=device) if padded else None
        heads = self.split_heads(rows)
        return self.choice(heads, heads, heads, key_mask(mask))

    def choice(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> str:
        """Return the kernel that `scaled_dot_product_attention` runs for these tensors under the current settings."""
        # The function that scaled_dot_product_attention dispatches on. It has no public name.
        try:
            return KERNELS[torch._fused_sdp_choice(q, k, v, mask)]
        except NotImplementedError:  # such as mps: where torch has no choice, it runs its composite kernel
            return KERNELS[int(SDPBackend.MATH.value)]

    def attend_flops(self, batch: int = 1) -> int:
        """Two n x n x d products, 4 b n^2 d, whether or not the kernel stores the matrix."""
        return 4 * batch * self.seq_len**2 * self.dim


def key_mask(key_padding_mask: Tensor | None) -> Tensor | None:
    """(batch, seq_len) -> (batch, 1, 1, seq_len), which broadcasts over heads and queries."""
    return None if key_padding_mask is None else key_padding_mask[:, None, None, :]


KERNELS = {
    int(backend.value): name.removesuffix("_ATTENTION").lower() for name, backend in SDPBackend.__members__.items()
}
"""The names of the kernels by torch's numbers for them."""
