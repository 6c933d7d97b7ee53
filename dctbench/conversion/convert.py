"""Replace the attention of a model by a method, and check first that exact attention in its place changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dctbench import catalog
from dctbench.attention import build, takes_seed
from dctbench.conversion.interface import is_pretrained, replace_inside, rotary, watching
from dctbench.conversion.multihead import MultiheadAdapter
from dctbench.conversion.projections import ProjectionAdapter
from dctbench.conversion.sites import Adapter, Call, Site, drawn_weights
from dctbench.conversion.subject import Called, Inputs, Subject, real_part, real_tokens_of
from dctbench.errors import UnsupportedError, text_of
from dctbench.text.layers import chosen_layers

TOLERANCE = 1e-4
"""The largest relative difference that exact attention in the place of a model's own may make, in float32."""
REFERENCE = "sdpa"


@dataclass(frozen=True, slots=True)
class Found:
    """The attentions that a model calls.

    `calls` says how the modules of known projections were called, and `adapters` by what they are replaced, both by
    path. `inside` are the paths at which the function between the projections can be replaced.
    """

    sites: tuple[Site, ...]
    calls: Mapping[str, Call]
    adapters: Mapping[str, Adapter]
    inside: frozenset[str]

    @property
    def replaceable(self) -> list[Site]:
        """The sites that can be replaced."""
        return [site for site in self.sites if site.refusal is None]

    @property
    def refused(self) -> dict[str, str]:
        """Why each of the others cannot be replaced, by path."""
        return {site.name: site.refusal for site in self.sites if site.refusal is not None}


@dataclass(frozen=True, slots=True)
class Converted:
    """A model with its attention replaced.

    `replaced` are the paths of the attentions that a method has now, `kept` those that could have been replaced and
    were left, and `refused` says why others could not be. `random` names the learned weights of a layer that are not
    the model's and were drawn at random, so that the model says nothing of the method before a training.
    """

    model: nn.Module
    replaced: tuple[str, ...]
    kept: tuple[str, ...]
    refused: dict[str, str]
    random: tuple[str, ...]


def find(subject: Subject, inputs: Inputs) -> Found:
    """Find the attentions of a model by running it once.

    Raises:
        UnsupportedError: for a model without an attention that can be replaced, naming some with their reasons.
    """
    model = subject.model
    sites: dict[str, Site] = {}
    adapters: dict[str, Adapter] = {}
    for adapter in (MultiheadAdapter(), ProjectionAdapter()):
        for path, site in adapter.sites(model).items():
            if not any(f"{path}.".startswith(f"{other}.") for other in sites):
                sites[path], adapters[path] = site, adapter
    calls: dict[str, Call] = {}
    with ExitStack() as stack:
        for path in sites:
            stack.callback(_watch(model, path, calls).remove)
        inside = stack.enter_context(watching(model)) if is_pretrained(model) else {}
        stack.enter_context(torch.inference_mode())
        model(*inputs[0], **inputs[1])
    for path, call in calls.items():
        adapters[path].look(sites[path], model.get_submodule(path), call)
    # The function between the projections sees more than the module's arguments show.
    for path, site in inside.items():
        site.outside = sites[path].outside if path in sites else ()
        sites[path] = site
    if is_pretrained(model) and rotary(model):
        for site in sites.values():
            site.refuse("the model turns queries and keys by their position (RoPE)")
    called = [path for path in sites if path in calls or path in inside]
    found = Found(tuple(sites[path] for path in called), calls, adapters, frozenset(inside))
    if not found.replaceable:
        raise UnsupportedError(_nothing(subject, found))
    return found


def convert(
    subject: Subject,
    found: Found,
    method: str,
    *,
    ratio: float | None = None,
    kept: int | None = None,
    layers: str | None = None,
    structural: bool | None = None,
    options: Mapping[str, object] = MappingProxyType({}),
) -> Converted:
    """Return a copy of the model with a method in the place of its attention. The copy shares no weights.

    Args:
        subject: the model.
        found: its attentions.
        method: of the catalog.
        ratio, kept: what the method keeps, as in `dctbench.attention.build`.
        layers: which attentions, as in `dctbench.text.layers`; None for all.
        structural: whether whole modules are replaced where a model of transformers would let a function be replaced;
            None for whatever the method needs.
        options: further arguments of the method.

    Raises:
        UnsupportedError: for a method that needs the input of an attention of which only q, k, v are seen.
        UsageError: by the method, for a shape that it rejects, and for layers that the model does not have.
    """
    if structural is None:
        structural = needs_input(method)
    available = found.replaceable
    chosen = [available[index] for index in chosen_layers(layers, len(available))]
    model = copy.deepcopy(subject.model)
    inside: dict[str, nn.Module] = {}
    random: dict[str, None] = {}

    def make(site: Site) -> nn.Module:
        like = next(model.get_submodule(site.name).parameters())
        assert site.length is not None
        # Random features that are the same in every layer know less than those of each layer's own.
        own = {"seed": available.index(site)} if takes_seed(method) else {}
        return build(
            method,
            seq_len=site.length,
            dim=site.dim,
            heads=site.heads,
            ratio=ratio,
            kept=kept,
            dtype=like.dtype,
            device=like.device,
            **{**own, **options},
        )

    def make_and_look(site: Site) -> nn.Module:
        layer = make(site)
        random.update(dict.fromkeys(drawn_weights(layer, partial(make, site), site.dim)))
        return layer

    for site in chosen:
        adapter = found.adapters.get(site.name)
        if site.name in found.inside and not structural:
            inside[site.name] = make_and_look(site)
        elif adapter is None:
            raise UnsupportedError(
                f"{method} needs the input of an attention, and the projections of {site.name} have no names that "
                "dctbench knows"
            )
        else:
            model = adapter.replace(model, site, found.calls[site.name], make_and_look)
    if inside:
        replace_inside(model, inside)
    left = tuple(site.name for site in available if site not in chosen)
    return Converted(model.eval(), tuple(site.name for site in chosen), left, found.refused, tuple(random))


def needs_input(method: str) -> bool:
    """Return whether a method has no q, k, v form, so that it takes the place of the projections as well."""
    return "attention" not in catalog.implementation(method).scopes


def check_reproduces(subject: Subject, found: Found, inputs: Inputs, *, structural: bool) -> None:
    """Check that exact attention in the place of the model's own gives the outputs of the original.

    Raises:
        UnsupportedError: when it does not, or when the original gives another output in a second call.
    """

    def output(model: nn.Module) -> Tensor:
        with torch.inference_mode():
            out: Tensor = Called(model)(*inputs[0], **inputs[1])
            return out

    before, real = output(subject.model), real_tokens_of(inputs, subject.model)
    if not before.isfinite().all():
        raise UnsupportedError(
            f"{subject.target} returns values that are not finite, so no other model can be compared with it; let it "
            "return finite ones, for example by masking with a large negative number"
        )
    if not difference(before, output(subject.model), real) <= TOLERANCE:
        raise UnsupportedError(
            f"{subject.target} gives another output for the same input, so no other model can be compared with it"
        )
    converted = convert(subject, found, REFERENCE, structural=structural)
    try:
        after = output(converted.model)
    except (AttributeError, TypeError) as error:
        raise UnsupportedError(
            f"with exact attention in the place of its own, {subject.target} cannot be called ({text_of(error)}): it "
            "may use what its attention returns in addition to its output, such as the weights, which a replacement "
            "lacks"
        ) from error
    changed = difference(before, after, real)
    if not changed <= TOLERANCE:
        raise UnsupportedError(
            f"with exact attention in the place of its own, {subject.target} gives other outputs (relative difference "
            f"{changed:.2g}): its attention does more, so that replacing it would mean nothing"
        )


def difference(before: Tensor, after: Tensor, real: Tensor | None) -> float:
    """Return the relative difference of two outputs of a model, over the real tokens if its inputs have a mask."""
    before, after = real_part(before, real).double(), real_part(after, real).double()
    return float((after - before).norm() / before.norm().clamp(min=1e-30))


def _watch(model: nn.Module, path: str, calls: dict[str, Call]) -> RemovableHandle:
    """Record the first call of the module at a path."""

    def record(module: nn.Module, arguments: tuple[object, ...], keywords: dict[str, object], output: object) -> None:
        calls.setdefault(path, Call(arguments, keywords, output))

    return model.get_submodule(path).register_forward_hook(record, with_kwargs=True)


def _nothing(subject: Subject, found: Found) -> str:
    if not found.sites:
        return (
            f"{subject.target} has no attention that dctbench can replace: it looks for nn.MultiheadAttention, for "
            "linear projections of queries, keys, values and outputs by their usual names, and for the attention "
            "interface of transformers"
        )
    reasons = "; ".join(f"{name or 'the model itself'}: {reason}" for name, reason in list(found.refused.items())[:3])
    return f"none of the {len(found.sites)} attentions of {subject.target} can be replaced: {reasons}"
