"""The DCT by one real FFT of the same length per column (Makhoul 1980), with small tables.

Take the even samples forwards and then the odd ones backwards. The DFT V of that sequence, rotated by a quarter sample,
gives the DCT-II: with W_k = exp(-i pi k / 2n) V_k, X_k = 2 Re W_k and X_(n-k) = -2 Im W_k (unnormalised). Every n is
allowed. The cost is n log n for any n_kept, so this is the fastest when much of a long sequence is kept.
(J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. ASSP 28, 1980.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from dctbench.transforms.cosines import Array, cos_sin, row_scale
from dctbench.transforms.dct import TruncatedDct

_COLUMNS_AT_ONCE = 128
"""Columns per FFT, which bounds the memory and keeps a chunk in cache."""


def real_fft_flops(length: int) -> int:
    """FLOPs of one real FFT, forward or inverse: 2.5 n log2 n by convention."""
    return round(2.5 * length * math.log2(length)) if length > 1 else 0


class RfftDct(TruncatedDct):
    """Real FFTs along the sequence, 128 columns at a time; float16 and bfloat16 are transformed in float32."""

    algorithm = "rfft"
    cosine: Tensor  # (n // 2 + 1, 1): c_k cos(pi k / 2n)
    sine: Tensor  # (n // 2 + 1, 1): c_k sin(pi k / 2n)

    def flops(self, columns: int) -> int:
        """2.5 n log2 n per column; the element-wise rotation is not counted."""
        return real_fft_flops(self.seq_len) * columns

    def _tables(self) -> Mapping[str, Array]:
        bins = np.arange(self.seq_len // 2 + 1)
        cosines, sines = cos_sin(bins, 2 * self.seq_len)
        scale = row_scale(self.seq_len, len(bins))
        return {"cosine": (cosines * scale)[:, None], "sine": (sines * scale)[:, None]}

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        return _by_columns(x, self.n_kept, self._dct_chunk)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        return _by_columns(z, self.seq_len, self._idct_chunk)

    def _dct_chunk(self, x: Tensor) -> Tensor:
        n, m = self.seq_len, self.n_kept
        spectrum = torch.fft.rfft(torch.cat([x[:, ::2], x[:, 1::2].flip(1)], 1), dim=1)
        low = min(m, n // 2 + 1)
        kept = spectrum[:, :low]
        z: Tensor = kept.real * self.cosine[:low] + kept.imag * self.sine[:low]  # (batch, low, columns)
        if m == low:
            return z
        mirror = slice(n - m + 1, n - low + 1)  # the bins n - k of k = m - 1 ... low
        high = spectrum.real[:, mirror] * self.sine[mirror] - spectrum.imag[:, mirror] * self.cosine[mirror]
        return torch.cat([z, high.flip(1)], 1)

    def _idct_chunk(self, z: Tensor) -> Tensor:
        n, m = self.seq_len, self.n_kept
        low = min(m, n // 2 + 1)
        cosine, sine, kept = self.cosine[:low], self.sine[:low], z[:, :low]
        real, imag = kept * cosine, kept * sine
        if m > low:
            mirror = slice(n - m + 1, n - low + 1)
            high = z[:, low:].flip(1)
            real[:, mirror] += high * self.sine[mirror]
            imag[:, mirror] -= high * self.cosine[mirror]
        real[:, 0] *= 2  # every bin represents two of the full DFT, except DC and, for even n, the middle one
        if 2 * (low - 1) == n:
            real[:, -1] *= 2
        v: Tensor = torch.fft.irfft(torch.complex(real, imag), n=n, dim=1, norm="forward")  # (batch, n, columns)
        x = torch.empty_like(v)
        x[:, ::2] = v[:, : (n + 1) // 2]
        x[:, 1::2] = v[:, (n + 1) // 2 :].flip(1)
        x *= 0.5
        return x


def _by_columns(x: Tensor, rows: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `kernel`, which returns `rows` rows, to chunks of columns, in float32 or wider."""
    if x.numel() == 0:  # not every library of Fourier transforms takes an empty batch
        return x.new_empty(x.shape[0], rows, x.shape[2])
    wide = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    chunks = [kernel(chunk.to(wide)).to(x.dtype) for chunk in x.split(_COLUMNS_AT_ONCE, dim=-1)]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, -1)
