"""Chooses the integer form of an image encoder: the scales of each layer, and the layers that stay in fp32.

1. Each layer's inputs are observed on images: the range of every channel, and samples.
2. Each layer gets the scales with the least error of its products on the samples.
3. Each layer alone is put in int8, and the error of the embedding is measured.
4. Layers go to int8, those with the least squared error per multiplication first, as long as the measured error of the
   embedding stays within the limit. Errors of layers are nearly independent, so their squares add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet.errors import SamfleetError
from samfleet.variants.calibrations import Calibration, LayerCalibration
from samfleet_models.modeling.fusion import FusedConvolution
from samfleet_models.modeling.quantised import Layer, Scaling, quantisable, quantised
from samfleet_models.ops.integer_layers import LARGEST, quantise_weights

SAMPLES = 512  # inputs of a layer on which scales are compared, over all images
COMPARED_IMAGES = 2  # on which the embedding is compared; that of single layers only on the first: a pass for each
SMOOTHING = (0.0, 0.25, 0.5, 0.75)  # share of a channel's range that moves into the weights; 0: one scale for all
CLIPPING = (0.85, 0.7, 0.5, 0.35)  # shares of the observed range; a few large numbers need not cost all others
LEAST_RANGE = 1e-4  # of the widest channel's range: a channel that is always 0 needs a scale too

Say = Callable[[str], None]


class NoIntegerLayers(SamfleetError):
    """No layer of the encoder can be in int8 within the limit of the error; raise `--most-error` or serve in fp32."""

    code = "no_integer_layers"


@dataclass(slots=True)
class Observed:
    """Inputs of a layer: ranges [C] of its channels, samples [n, C, K] of its K pixels, multiplications per image."""

    low: Tensor
    high: Tensor
    samples: list[Tensor] = field(default_factory=list)
    operations: int = 0


@torch.inference_mode()
def calibrate(
    encoder: nn.Module, images: Sequence[Tensor], most_error: float, say: Say
) -> tuple[tuple[LayerCalibration, ...], float]:
    """Return the layers of a fused encoder, and the relative error of its embedding on the compared images.

    `images` are network inputs [1, 3, S, S]. Raises `NoIntegerLayers`.
    """
    layers = dict(quantisable(encoder))
    observed = observe(encoder, layers, images)
    say(f"observed {len(layers)} layers on {len(images)} images")
    scalings = {name: best_scaling(layer.weight, observed[name]) for name, layer in layers.items()}
    comparison = Comparison(encoder, layers, scalings, images[:COMPARED_IMAGES])
    errors: dict[str, float] = {}
    for name in layers:
        errors[name] = comparison.error([name], images=1)
        say(f"{len(errors)} of {len(layers)} layers: {name} {errors[name]:.5f}")
    order = sorted(layers, key=lambda name: errors[name] ** 2 / observed[name].operations)
    count, error = longest_within(comparison, order, most_error)
    if count == 0:
        raise NoIntegerLayers
    chosen = set(order[:count])
    return tuple(
        LayerCalibration(
            name,
            observed[name].operations,
            errors[name],
            name in chosen,
            scalings[name].zero,
            tuple(scalings[name].scales),
        )
        for name in layers
    ), error


def scalings_of(calibration: Calibration | None) -> dict[str, Scaling] | None:
    """Return the scalings of the quantised layers by their names."""
    if calibration is None:
        return None
    return {layer.name: Scaling(layer.scales, layer.zero) for layer in calibration.layers if layer.quantised}


def longest_within(comparison: Comparison, order: Sequence[str], most_error: float) -> tuple[int, float]:
    """Return how many of the first layers of `order` stay within the error, by bisection, and their error."""
    count, error, above = 0, 0.0, len(order) + 1
    while above - count > 1:
        middle = (count + above) // 2
        measured = comparison.error(order[:middle])
        if measured <= most_error:
            count, error = middle, measured
        else:
            above = middle
    return count, error


def observe(encoder: nn.Module, layers: Mapping[str, Layer], images: Sequence[Tensor]) -> dict[str, Observed]:
    """Run the encoder on all images and return what its layers take in. Samples are the same in every run."""
    found: dict[str, Observed] = {}
    generator = torch.Generator().manual_seed(0)
    each = math.ceil(SAMPLES / len(images))

    def watch(name: str, layer: Layer) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            rows = _rows(inputs[0], layer)
            low, high = rows.amin(0), rows.amax(0)
            own = found.setdefault(name, Observed(low, high))
            own.low, own.high = torch.minimum(own.low, low), torch.maximum(own.high, high)
            own.samples.append(_samples(inputs[0], layer, each, generator))
            own.operations = output.numel() * layer.weight[0].numel()

        return hook

    handles = [layer.register_forward_hook(watch(name, layer)) for name, layer in layers.items()]
    try:
        for pixels in images:
            encoder(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return found


def best_scaling(weight: Tensor, observed: Observed) -> Scaling:
    """Return the scaling with the least error of the products with `weight` [out, C, ...] on the samples."""
    samples = torch.cat(observed.samples)
    weight = weight.reshape(*weight.shape[:2], -1)
    exact = torch.einsum("nck,ock->no", samples, weight)

    def error(scaling: Scaling) -> float:
        scales = torch.tensor(scaling.scales)[:, None]
        rounded = (samples / scales + scaling.zero).round().clamp(0, LARGEST) - scaling.zero
        values, outer = quantise_weights(weight * scales)
        found = torch.einsum("nck,ock->no", rounded, values.float()) * outer
        return float((found - exact).square().sum())

    smooth = min((_scaling(weight, observed, smoothing) for smoothing in SMOOTHING), key=error)
    clipped = (Scaling(tuple(scale * clip for scale in smooth.scales), smooth.zero) for clip in CLIPPING)
    return min((smooth, *clipped), key=error)


def _scaling(weight: Tensor, observed: Observed, smoothing: float) -> Scaling:
    """Return the scaling of the whole range, with a part of each channel's range moved into `weight` [out, C, K]."""
    ranges = torch.maximum(observed.low.abs(), observed.high.abs())
    ranges = ranges.clamp_min(float(ranges.max()) * LEAST_RANGE)
    factors = torch.ones_like(ranges)
    if smoothing:
        largest = weight.abs().amax((0, 2))
        factors = ranges**smoothing / largest.clamp_min(float(largest.max()) * LEAST_RANGE) ** (1 - smoothing)
    low = min(0.0, float((observed.low / factors).min()))
    high = max(0.0, float((observed.high / factors).max()))
    step = (high - low) / LARGEST or 1.0
    return Scaling(tuple((factors * step).tolist()), round(-low / step))


def _rows(x: Tensor, layer: Layer) -> Tensor:
    """Return [n, C] of a layer's input."""
    return (x.permute(0, 2, 3, 1) if isinstance(layer, FusedConvolution) else x).flatten(0, -2)


def _samples(x: Tensor, layer: Layer, count: int, generator: torch.Generator) -> Tensor:
    """Return [count, C, K]: what `count` random outputs of a layer are computed from."""
    if not isinstance(layer, FusedConvolution):
        rows = x.flatten(0, -2)
        return rows[torch.randint(len(rows), (count,), generator=generator)][..., None]
    down, right = layer.padding
    padded = functional.pad(x, (right, right, down, down))
    height, width = layer.weight.shape[2:]
    views = padded.unfold(2, height, layer.stride[0]).unfold(3, width, layer.stride[1])  # [B, C, H, W, k, k]
    rows, columns = (torch.randint(size, (count,), generator=generator) for size in views.shape[2:4])
    return views[0, :, rows, columns].transpose(0, 1).flatten(2)


class Comparison:
    """Compares the embeddings of images with some layers in int8 with those of fp32."""

    def __init__(
        self, encoder: nn.Module, layers: Mapping[str, Layer], scalings: Mapping[str, Scaling], images: Sequence[Tensor]
    ) -> None:
        self._encoder, self._images, self._layers = encoder, images, layers
        self._integer = {name: quantised(layer, scalings[name]) for name, layer in layers.items()}
        self._exact = [self._features(pixels) for pixels in images]

    def error(self, names: Sequence[str], images: int | None = None) -> float:
        """Return the relative error with the named layers in int8: the largest of the encoder's features.

        `images` None: all.
        """
        with self._replaced(names):
            found = [self._features(pixels) for pixels in self._images[:images]]
        pairs = list(zip(found, self._exact, strict=False))
        return max(
            _relative([own[part] for own, _ in pairs], [own[part] for _, own in pairs])
            for part in range(len(self._exact[0]))
        )

    def _features(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self._encoder(pixels)
        return tuple(part.clone() for part in (features if isinstance(features, tuple) else (features,)))

    @contextmanager
    def _replaced(self, names: Sequence[str]) -> Iterator[None]:
        try:
            for name in names:
                self._encoder.set_submodule(name, self._integer[name])
            yield
        finally:
            for name in names:
                self._encoder.set_submodule(name, self._layers[name])


def _relative(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Return the norm of the difference by the norm; infinite if the difference is not a finite number."""
    difference = sum(float((one - other).double().square().sum()) for one, other in zip(found, exact, strict=True))
    error = math.sqrt(difference / sum(float(one.double().square().sum()) for one in exact))
    return error if math.isfinite(error) else math.inf
