"""The implementations by name, without importing any of them. A new method is one entry in `IMPLEMENTATIONS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dctbench.catalog.names import TARGET, added, load_target, select, unknown
from dctbench.errors import AbsentError

_FOREIGN_SCOPES = ("layer", "encoder")


class Family(Enum):
    """How a method reduces the cost of attention, if it does."""

    EXACT = "exact"
    """Computes softmax attention itself, with different kernels."""
    DCT = "dct"
    """Keeps the lowest coefficients of a discrete cosine transform along the sequence."""
    LOW_RANK = "low-rank"
    """Approximates the attention matrix by one of low rank, through projections or landmarks."""
    KERNEL = "kernel"
    """Replaces softmax by a kernel with a feature map, so that the n x n matrix is never formed."""
    SPARSE = "sparse"
    """Computes only some of the n x n scores, chosen by windows or hashing."""
    RECURRENT = "recurrent"
    """Carries a state of fixed size along the sequence."""
    MIXING = "mixing"
    """Mixes tokens without attention."""
    POOLING = "pooling"
    """Averages tokens."""
    NONE = "none"
    """Does not mix tokens at all."""
    OWN = "own"
    """Supplied by the user or by an installed package."""


class Kind(Enum):
    """The role of a method in comparisons."""

    EXACT = "exact"
    """Computes softmax attention itself: its error is a check and not a figure."""
    APPROXIMATE = "approximate"
    """May differ from softmax attention. A user's own method always counts as approximate."""
    CONTROL = "control"
    """Measured for comparison only; nobody would ship it."""


class ErrorMeans(Enum):
    """What the difference between a method and exact attention with the same weights says."""

    APPROXIMATES = "approximates"
    """The method approximates softmax attention, so the difference is its error."""
    OTHER = "other"
    """The method computes another function, so the difference is no error. Accuracy shows what it is worth."""
    UNTRAINED = "untrained"
    """The method has learned projections that exact attention lacks, so before training its error says nothing."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """One attention: its code (`target`, module:Class), what it is, and what it can do.

    `uses_ratio` says whether it compresses; None if that is known only after importing the class. `kept_means` says
    what a ratio, or a number kept, counts. `default_kept` is the number that its paper keeps whatever the length; None
    for a method that is used by ratio. `error_means` of a method of the user's own is only the default: its class may
    say otherwise. `convolution` is the number of taps of the convolution that the method has where a model is trained,
    as in its paper; layers have none unless they are asked for it. `sharded` is the code of the layer of one rank,
    where the sequence is divided among devices; None for a method without such a form.
    """

    name: str
    target: str
    summary: str
    source: str
    family: Family
    kind: Kind = Kind.APPROXIMATE
    uses_ratio: bool | None = False
    scopes: tuple[str, ...] = ("attention", "layer", "encoder")
    kept_means: str = ""
    default_kept: int | None = None
    error_means: ErrorMeans = ErrorMeans.APPROXIMATES
    convolution: int | None = None
    sharded: str | None = None

    def load(self) -> Any:
        """Import and return the layer class. Imports torch.

        Raises:
            UsageError: for a user's own target that cannot be imported.
        """
        return load_target(self.target)


_ATTENTION = "dctbench.attention"
_SHARDED = "dctbench.attention.sharded.layers"

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    entry.name: entry
    for entry in (
        Implementation(
            "full", f"{_ATTENTION}.full:FullAttention", "softmax attention, n x n matrix held",
            "Vaswani et al. 2017", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "sdpa", f"{_ATTENTION}.sdpa:SDPAttention", "exact attention by torch's fused kernels; the reference",
            "torch.nn.functional", Family.EXACT, Kind.EXACT, sharded=f"{_SHARDED}:ShardedSdpa",
        ),
        Implementation(
            "dct-x", f"{_ATTENTION}.dct_x:DctXAttention",
            "attention among the lowest DCT-II coefficients of the input: frequencies, not positions",
            "Scribano et al. 2022", Family.DCT, uses_ratio=True, scopes=("layer", "encoder"),
            kept_means="coefficients kept", error_means=ErrorMeans.OTHER, sharded=f"{_SHARDED}:ShardedDctX",
        ),
        Implementation(
            "dct-qkv", f"{_ATTENTION}.dct_qkv:DctQkvAttention",
            "attention among the lowest DCT-II coefficients of q, k, v: frequencies, not positions",
            "Scribano et al. 2022",
            Family.DCT, uses_ratio=True, error_means=ErrorMeans.OTHER, kept_means="coefficients kept",
        ),
        Implementation(
            "dct-ideal", f"{_ATTENTION}.dct_ideal:DctIdealAttention",
            "full attention between two DCT low-passes: a bound for quality, slower than sdpa",
            "Scribano et al. 2022", Family.DCT, uses_ratio=True, kept_means="coefficients kept",
        ),
        Implementation(
            "dct-resample", f"{_ATTENTION}.dct_resample:DctResampleAttention",
            "attention among positions resampled through the DCT; exact at ratio 1",
            "after He et al. 2023", Family.DCT, uses_ratio=True, kept_means="positions after resampling",
        ),
        Implementation(
            "dct-kv", f"{_ATTENTION}.dct_kv:DctKvAttention",
            "full-length queries over keys and values resampled through the DCT; exact at ratio 1",
            "after He et al. 2023", Family.DCT, uses_ratio=True, kept_means="keys and values after resampling",
            sharded=f"{_SHARDED}:ShardedDctKv",
        ),
        Implementation(
            "sdpa-flash", f"{_ATTENTION}.sdpa_kernels:FlashAttention", "exact attention, torch's flash kernel or none",
            "Dao 2023", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "sdpa-efficient", f"{_ATTENTION}.sdpa_kernels:EfficientAttention",
            "exact attention, torch's memory-efficient kernel or none", "Rabe and Staats 2021",
            Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "sdpa-math", f"{_ATTENTION}.sdpa_kernels:MathAttention",
            "exact attention, torch's composite of matrix products", "torch.nn.functional", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "sdpa-cudnn", f"{_ATTENTION}.sdpa_kernels:CudnnAttention", "exact attention, cuDNN's kernel or none",
            "torch.nn.functional", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "window", f"{_ATTENTION}.window:WindowAttention", "softmax attention to the 128 tokens on either side",
            "Beltagy et al. 2020", Family.SPARSE,
        ),
        Implementation(
            "linformer", f"{_ATTENTION}.linformer:LinformerAttention",
            "keys and values shortened by learned projections", "Wang et al. 2020", Family.LOW_RANK, uses_ratio=True,
            kept_means="projected length k", default_kept=256, error_means=ErrorMeans.UNTRAINED,
        ),
        Implementation(
            "linformer-per-head", f"{_ATTENTION}.linformer:PerHeadLinformerAttention",
            "linformer with a projection of its own for each head: the form that DCT-Former's authors measured",
            "Wang et al. 2020", Family.LOW_RANK, uses_ratio=True,
            kept_means="projected length k", default_kept=256, error_means=ErrorMeans.UNTRAINED,
        ),
        Implementation(
            "nystromformer", f"{_ATTENTION}.nystromformer:NystromAttention",
            "softmax attention through landmarks and a pseudo-inverse", "Xiong et al. 2021",
            Family.LOW_RANK, uses_ratio=True, kept_means="landmarks", default_kept=64,
            convolution=33,
        ),
        Implementation(
            "performer", f"{_ATTENTION}.performer:PerformerAttention",
            "the softmax kernel by positive orthogonal random features (FAVOR+)", "Choromanski et al. 2021",
            Family.KERNEL, uses_ratio=True, kept_means="random features", default_kept=256,
        ),
        Implementation(
            "linear", f"{_ATTENTION}.linear:LinearAttention",
            "the kernel elu + 1 with its normaliser: another kernel than softmax", "Katharopoulos et al. 2020",
            Family.KERNEL, error_means=ErrorMeans.OTHER,
        ),
        Implementation(
            "reformer", f"{_ATTENTION}.reformer:ReformerAttention",
            "attention among tokens that hash alike, 4 rounds; queries and keys are one", "Kitaev et al. 2020",
            Family.SPARSE, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER,
        ),
        Implementation(
            "fnet", f"{_ATTENTION}.fnet:FNetMixing", "Fourier mixing without parameters: no attention, no projections",
            "Lee-Thorp et al. 2021", Family.MIXING, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER,
        ),
        Implementation(
            "delta-net", f"{_ATTENTION}.delta_net:DeltaNet",
            "linear attention by the delta rule, in chunks; causal", "Yang et al. 2024",
            Family.RECURRENT, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER, convolution=4,
        ),
        Implementation(
            "delta-net-bidirectional", f"{_ATTENTION}.delta_net:BidirectionalDeltaNet",
            "delta-net from both ends, added up: not causal", "after Yang et al. 2024",
            Family.RECURRENT, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER, convolution=4,
        ),
        Implementation(
            "gated-delta-net", f"{_ATTENTION}.gated_delta_net:GatedDeltaNet",
            "the delta rule with a decay and an output gate; causal", "Yang et al. 2025",
            Family.RECURRENT, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER, convolution=4,
        ),
        Implementation(
            "gated-delta-net-bidirectional", f"{_ATTENTION}.gated_delta_net:BidirectionalGatedDeltaNet",
            "gated-delta-net from both ends, added up: not causal", "after Yang et al. 2025",
            Family.RECURRENT, scopes=("layer", "encoder"), error_means=ErrorMeans.OTHER, convolution=4,
        ),
        Implementation(
            "pool-kv", f"{_ATTENTION}.pool_kv:PooledKvAttention",
            "control: full-length queries over window averages of keys and values; exact at ratio 1",
            "control", Family.POOLING, Kind.CONTROL, uses_ratio=True, kept_means="windows",
        ),
        Implementation(
            "pool", f"{_ATTENTION}.pool:PooledAttention", "control: attention among window averages",
            "control",
            Family.POOLING, Kind.CONTROL, uses_ratio=True, scopes=("layer", "encoder"), kept_means="windows",
            error_means=ErrorMeans.OTHER,
        ),
        Implementation(
            "none", f"{_ATTENTION}.none:NoAttention", "control: no attention, value and output projections only",
            "control", Family.NONE, Kind.CONTROL, error_means=ErrorMeans.OTHER,
        ),
    )
}  # fmt: skip


def implementation(name: str) -> Implementation:
    """Return the implementation of that name; `package.module:Class` names a layer of the user's own.

    Raises:
        AbsentError: when there is none; the message has the nearest name.
    """
    if name in IMPLEMENTATIONS:
        return IMPLEMENTATIONS[name]
    if TARGET.fullmatch(name):
        return Implementation(name, name, "your own", "--impl", Family.OWN, uses_ratio=None, scopes=_FOREIGN_SCOPES)
    known = implementations()
    if name not in known:
        problem = unknown("implementation", name, known)
        raise AbsentError(problem.message, hint=problem.hint)
    return known[name]


def recorded_implementation(name: str) -> Implementation:
    """Return the implementation of a stored result, which may not be installed here."""
    return IMPLEMENTATIONS.get(name) or Implementation(
        name,
        name,
        "measured, and not one of dctbench's own",
        "elsewhere",
        Family.OWN,
        uses_ratio=None,
        scopes=_FOREIGN_SCOPES,
    )


def implementations() -> Mapping[str, Implementation]:
    """Return all implementations: the table above, and those that installed packages add through entry points.

    An entry point of group `dctbench.attention` names an implementation and the module:Class that is its layer; it is
    not imported here.

    Raises:
        UsageError: when two of them have the same name; the message names both.
    """
    found = dict(IMPLEMENTATIONS)
    for name, target, package in added("attention", {entry.name: entry.target for entry in found.values()}):
        found[name] = Implementation(
            name, target, f"from {package}", package, Family.OWN, uses_ratio=None, scopes=_FOREIGN_SCOPES
        )
    return found


def select_implementations(words: Sequence[str]) -> list[str]:
    """Return the implementations that words, globs and `module:Class` targets select, each once, in the order given.

    Raises:
        UsageError: for an unknown word and for a glob that matches nothing.
    """
    chosen: dict[str, None] = {}
    for word in words:
        if TARGET.fullmatch(word):
            chosen[word] = None
        else:
            known = [word] if word in IMPLEMENTATIONS else implementations()
            chosen.update(dict.fromkeys(select("implementation", [word], known)))
    return list(chosen)
