"""The implementations, metrics and devices by name, without importing any of them; `catalog.tasks` has the tasks.

The command line lists, completes and validates names from here in milliseconds. `load` imports the code of an entry. A
new method, metric or device is one entry in its table.
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from importlib import metadata
from typing import Any

from dctbench.errors import AbsentError, NotLoadedError, UsageError, text_of
from dctbench.text.quantity import (
    BYTES,
    CALLS,
    FLOP,
    HERTZ,
    JOULES,
    NATS,
    PROPORTION,
    RELATIVE_ERROR,
    SECONDS,
    SHARE,
    Quantity,
)


def load_target(target: str) -> Any:
    """Return the object that `package.module:Name` names.

    Raises:
        AbsentError: when there is no such module, or it has no such name.
        NotLoadedError: when the import fails in any other way, with the reason in one sentence.
    """
    module, _, attribute = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        raise (AbsentError if missing else NotLoadedError)(
            f"{target}: importing {module} failed: {type(error).__name__}: {text_of(error)}",
            hint="modules are found on PYTHONPATH and among installed packages, not in the current folder",
        ) from error
    try:
        return getattr(loaded, attribute)
    except AttributeError:
        raise AbsentError(f"{target}: {module} has no {attribute!r}") from None


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
    """The method has learned projections beside those of exact attention, so before training its error says nothing."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """One attention: its code (`target`, module:Class), what it is, and what it can do.

    `uses_ratio` says whether it compresses; None if that is known only after importing the class. `kept_means` says
    what a ratio, or a number kept, counts. `default_kept` is the number that its paper keeps whatever the length; None
    for a method that is used by ratio. `error_means` of a method of the user's own is only the default: its class may
    say otherwise. `convolution` is the number of taps of the convolution that the method has where a model is trained,
    as in its paper; layers have none unless they are asked for it.
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

    def load(self) -> Any:
        """Import and return the layer class. Imports torch.

        Raises:
            UsageError: for a user's own target that cannot be imported.
        """
        return load_target(self.target)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a case: its quantity, which has the unit and the formatting, and what exactly it measures.

    `target` is the module:Class of an installed package that measures it. Only that class knows the unit, so the
    quantity is None. `target` is None for the metrics of dctbench. `larger_is_better` says which way is better.
    The samples of a metric `over_inputs` are inputs, so that their mean is the figure.
    """

    name: str
    quantity: Quantity | None
    summary: str
    target: str | None = None
    larger_is_better: bool = False
    over_inputs: bool = False

    @property
    def unit(self) -> str | None:
        """The SI unit, or None if only the class that measures it knows the unit."""
        return None if self.quantity is None else self.quantity.unit


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of device: its module and what it is."""

    name: str
    target: str
    summary: str

    def load(self) -> Any:
        """Import and return the module of the device. Imports torch."""
        return importlib.import_module(self.target)


@dataclass(frozen=True, slots=True)
class Model:
    """A shipped example of a model whose attention can be replaced: the function that loads it, and its extra."""

    name: str
    target: str
    summary: str
    extra: str


_ATTENTION = "dctbench.attention"

IMPLEMENTATIONS: Mapping[str, Implementation] = {
    entry.name: entry
    for entry in (
        Implementation(
            "full", f"{_ATTENTION}.full:FullAttention", "softmax attention, n x n matrix held",
            "Vaswani et al. 2017", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "sdpa", f"{_ATTENTION}.sdpa:SDPAttention", "exact attention by torch's fused kernels; the reference",
            "torch.nn.functional", Family.EXACT, Kind.EXACT,
        ),
        Implementation(
            "dct-x", f"{_ATTENTION}.dct_x:DctXAttention",
            "attention among the lowest DCT-II coefficients of the input: frequencies, not positions",
            "Scribano et al. 2022", Family.DCT, uses_ratio=True, scopes=("layer", "encoder"),
            kept_means="coefficients kept", error_means=ErrorMeans.OTHER,
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

ACCURACY = "accuracy"
EVALUATE = "evaluate"
HF_PREFIX = "hf:"
RECOVERED = "recovered."
"""Before the name of a metric: the same after a training to recover the original's outputs."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("latency", SECONDS, "wall time of one call"),
        Metric("memory.tensor", BYTES, "exact peak of tensor bytes during the call above what was live before it"),
        Metric("memory.process", BYTES, "what the system says the process grew by in a call (CUDA: all it holds)"),
        Metric("memory.resident", BYTES, "most memory of a process that loads only the engine and its model (bundle)"),
        Metric(
            "memory.state",
            BYTES,
            "parameters, buffers and tables that the method keeps; for an exported model, its file",
        ),
        Metric("flops", FLOP, "counted on the meta device, multiply-add = 2"),
        Metric("error.noise", RELATIVE_ERROR, "relative error against exact float64 attention, i.i.d. input"),
        Metric("error.smooth", RELATIVE_ERROR, "the same on a smooth input, AR(1) with rho = 0.95"),
        Metric("error.engine", RELATIVE_ERROR, "relative difference between an exported model's output and torch's"),
        Metric("queued_time", SECONDS, "one call on the GPU if its kernels need not wait for the host (CUDA)"),
        Metric("kernel_time", SECONDS, "the GPU's own time in one call, without the gaps between kernels (CUDA)"),
        Metric("energy", JOULES, "energy of one call above what the idle device uses"),
        Metric("response", SECONDS, "from the intended release of a call on a schedule to its end (--period)"),
        Metric("miss_rate", PROPORTION, "share of the calls on a schedule that ended after their deadline"),
        Metric("misses.longest", CALLS, "most calls in a row that ended after their deadline"),
        Metric("rate", HERTZ, "highest rate at which at most 1% of the calls end after the next release (--search)"),
        Metric(
            "setup", SECONDS, "construction of the layer: tables, plans, parameters; for an exported model, loading it"
        ),
        Metric("first_call", SECONDS, "the first call, before any warm-up"),
        Metric(
            "compile",
            SECONDS,
            "the call that compiles (engine compile), records the graph (cudagraph), or the export of a model",
        ),
        Metric(ACCURACY, SHARE, "of a trained model on a task's test; one figure per seed", larger_is_better=True),
        Metric("loss", NATS, "cross-entropy of a trained model on a task's test"),
        Metric("attention.share", SHARE, "share of a model's time that its own attention takes, projections included"),
        Metric(
            "drift.cosine",
            SHARE,
            "cosine between a converted model's pooled outputs and the original's",
            larger_is_better=True,
            over_inputs=True,
        ),
        Metric(
            "drift.tokens", SHARE, "the same for the outputs at each token", larger_is_better=True, over_inputs=True
        ),
        Metric(
            "drift.top1",
            SHARE,
            "share of inputs with the original's largest output",
            larger_is_better=True,
            over_inputs=True,
        ),
        Metric(
            "drift.neighbours",
            SHARE,
            "share of inputs whose nearest other input is the original's",
            larger_is_better=True,
            over_inputs=True,
        ),
        Metric(EVALUATE, SHARE, "what the user's evaluate(model) returned", larger_is_better=True, over_inputs=True),
        Metric("recover.seconds", SECONDS, "wall time of the training after a conversion, with the choice of its rate"),
        Metric("train.seconds", SECONDS, "processor time of a full training on one core (GPU: wall time), rate chosen"),
    )
}

MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model("minilm", "dctbench.conversion.minilm:load", "all-MiniLM-L6-v2, 6 layers, 12 heads, 512 positions",
              "examples"),
    )
}  # fmt: skip

DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device("cpu", "dctbench.worker.devices.cpu", "the processor, through torch"),
        Device("cuda", "dctbench.worker.devices.cuda", "an NVIDIA GPU, through torch and NVML: cuda:0, cuda:1"),
        Device("mps", "dctbench.worker.devices.mps", "the GPU of Apple silicon, through torch"),
    )
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to `word`, or None."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def unknown(kind: str, word: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name, with the nearest known name and all others."""
    names = sorted(known)
    guess = nearest(word, names)
    return UsageError(
        f"unknown {kind} {word!r}" + (f"; did you mean {guess!r}?" if guess else ""),
        hint=f"known: {', '.join(names)}" if names else None,
    )


_FOREIGN_SCOPES = ("layer", "encoder")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,59}", re.ASCII)
_PLURALS = {"attention": "implementations", "metrics": "metrics", "tasks": "tasks"}
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def implementation(name: str) -> Implementation:
    """Return the implementation of that name; `package.module:Class` names a layer of the user's own.

    Raises:
        AbsentError: when there is none; the message has the nearest name.
    """
    if name in IMPLEMENTATIONS:
        return IMPLEMENTATIONS[name]
    if _TARGET.fullmatch(name):
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


def metrics() -> Mapping[str, Metric]:
    """Return all metrics: the table above, and those that installed packages add by entry points `dctbench.metrics`.

    Raises:
        UsageError: when two of them have the same name; the message names both.
    """
    found = dict(METRICS)
    for name, target, package in added("metrics", dict.fromkeys(found, "dctbench's own")):
        found[name] = Metric(name, None, f"from {package}", target)
    return found


def metric(name: str) -> Metric | None:
    """Return dctbench's own metric of that name, or None.

    `accuracy.h4` is the accuracy on slice `h4` of a test, `evaluate.recall` a figure that the user's evaluation calls
    `recall`, and `recovered.drift.cosine` the metric `drift.cosine` after a training.
    """
    if name.startswith(RECOVERED):
        plain = metric(name.removeprefix(RECOVERED))
        return None if plain is None else replace(plain, name=name, summary=f"{plain.summary}, after training")
    if name.startswith(f"{EVALUATE}."):
        return replace(METRICS[EVALUATE], name=name)
    if name.startswith(f"{ACCURACY}."):
        part = name.removeprefix(f"{ACCURACY}.")
        return Metric(name, SHARE, f"accuracy on the slice {part} of a task's test", larger_is_better=True)
    return METRICS.get(name)


def added(table: str, known: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Return the name, target and package of each entry that packages add to a table by entry points `dctbench.TABLE`.

    Raises:
        UsageError: for a name that is taken, or that cannot be used in a command or a column.
    """
    taken = dict(known)
    for point in metadata.entry_points(group=f"dctbench.{table}"):
        package = point.dist.name if point.dist else point.value
        if point.name in taken:
            raise UsageError(
                f"two {_PLURALS[table]} are called {point.name!r}: {taken[point.name]} and {point.value} of {package}",
                hint=f"uninstall or rename one of them; {package} declares its name in its entry points",
            )
        if not _NAME.fullmatch(point.name):
            raise UsageError(
                f"{package} adds one of the {_PLURALS[table]} as {point.name!r}",
                hint="a name is made of at most 60 letters, digits and . _ -, and starts with a letter",
            )
        taken[point.name] = f"{point.value} of {package}"
        yield point.name, point.value, package


def checked_model(word: str) -> str:
    """Return the name of a model as `--model` takes it: a shipped one, `hf:FOLDER|NAME`, or `package.module:function`.

    Raises:
        UsageError: for anything else.
    """
    if word in MODELS or (word.startswith(HF_PREFIX) and len(word) > len(HF_PREFIX)) or _TARGET.fullmatch(word):
        return word
    problem = unknown("model", word, MODELS)
    raise UsageError(
        problem.message, hint=f"a model is package.module:function, hf:FOLDER, hf:NAME, or one of: {', '.join(MODELS)}"
    )


def select_implementations(words: Sequence[str]) -> list[str]:
    """Return the implementations that words, globs and `module:Class` targets select, each once, in the order given.

    Raises:
        UsageError: for an unknown word and for a glob that matches nothing.
    """
    chosen: dict[str, None] = {}
    for word in words:
        if _TARGET.fullmatch(word):
            chosen[word] = None
        else:
            known = [word] if word in IMPLEMENTATIONS else implementations()
            chosen.update(dict.fromkeys(select("implementation", [word], known)))
    return list(chosen)


def select(kind: str, words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the names that a list of words and globs selects, each once, in the order given.

    Raises:
        UsageError: for an unknown word and for a glob that matches nothing.
    """
    names = list(known)
    chosen: dict[str, None] = {}
    for word in words:
        found = fnmatch.filter(names, word) if any(c in word for c in "*?[") else [n for n in names if n == word]
        if not found:
            raise unknown(kind, word, names)
        chosen.update(dict.fromkeys(found))
    return list(chosen)
