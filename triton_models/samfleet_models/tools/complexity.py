"""Counts parameters and operations of every variant: `python -m samfleet_models.tools.complexity --write FILE`.

The encoder runs on the meta device and the decoder on zeros, so that the largest variants need neither memory nor time:
operations depend only on shapes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from samfleet.errors import InvalidInput
from samfleet.variants.catalogue import RECORDS
from samfleet.variants.complexity import Complexity
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import Prompt
from samfleet_kernels.library import torch_only
from samfleet_models.decoder.interface import Decoder
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.prompt_tokens import point_prompts, prompt_tokens
from samfleet_models.modeling.common import Features
from samfleet_models.modeling.squeeze_sam.network import CHANNELS
from samfleet_models.networks.pico.network import RegionNetwork
from samfleet_models.networks.registry import network_of
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.networks.squeeze.network import SqueezeNetwork
from samfleet_models.networks.yolo.network import InstanceNetwork
from samfleet_models.tools.flops import count_flops

GRID_POINTS = 32 * 32
POINTS_COUNTED = 8  # each prompt costs the same; this many are counted and scaled up


class NotCountable(InvalidInput):
    """Only torch networks can be counted."""

    code = "not_countable"


def count_complexity(record: VariantRecord) -> Complexity:
    """Count a variant whose network is not an ONNX graph."""
    with torch.device("meta"):
        network = network_of(replace(record, detector=None))
    if isinstance(network, InstanceNetwork):
        counted = _of_instances(network, record)
    elif isinstance(network, SqueezeNetwork):
        counted = _of_prompts(network, record)
    elif isinstance(network, SamNetwork):
        counted = _of_sam(network, record)
    elif isinstance(network, RegionNetwork):
        counted = _of_region(network, record)
    else:
        raise NotCountable(f"{record.name} is a graph, which torch cannot count")
    if record.detector is None:
        return counted
    detector = count_complexity(record.detector)
    parameters = counted.parameters + detector.parameters
    return replace(counted, parameters=parameters, detector_flops=detector.encoder_flops)


def countable(record: VariantRecord) -> bool:
    return record.checkpoint.layout != "onnx"


def _of_instances(network: InstanceNetwork, record: VariantRecord) -> Complexity:
    flops, _ = _encode(network, record.input_size)
    return Complexity(_parameters(network), encoder_flops=flops, box_flops=flops)


def _of_region(network: RegionNetwork, record: VariantRecord) -> Complexity:
    """Count one region; nothing is computed for an image without boxes."""
    with torch.inference_mode(), torch.device("meta"):
        pixels = torch.zeros(1, 3, record.input_size, record.input_size)
        flops = count_flops(lambda: network.network(pixels))
    return Complexity(_parameters(network), encoder_flops=0, box_flops=flops)


def _of_sam(network: SamNetwork, record: VariantRecord) -> Complexity:
    encoder, features = _encode(network, record.input_size)
    with _one_thread(), torch_only():  # the figures are torch's operators', everywhere the same
        decoder = _zero_decoder(network)
        contexts: list[object] = []
        once = encoder + count_flops(lambda: contexts.append(decoder.prepare(features)))
        box, box_mask = _decode(decoder, contexts[0], *_box(record), masks=(0,))
        points = point_prompts(np.full((POINTS_COUNTED, 2), 100.0), record.conventions.prompts.layout)
        multimask = record.conventions.masks.multimask
        point, point_masks = _decode(decoder, contexts[0], *points, masks=multimask)
    return Complexity(
        parameters=_parameters(network),
        encoder_flops=encoder,
        box_flops=once + box + box_mask,
        grid_scored_flops=once + GRID_POINTS * point // POINTS_COUNTED,
        grid_drawn_flops=once + GRID_POINTS * (point + point_masks) // POINTS_COUNTED,
    )


def _of_prompts(network: SqueezeNetwork, record: VariantRecord) -> Complexity:
    """Count one prompt, which is the whole network. Nothing is computed once per image."""
    with torch.inference_mode(), torch.device("meta"):
        inputs = torch.zeros(1, CHANNELS, record.input_size, record.input_size)
        prompt = count_flops(lambda: network.network(inputs))
    return Complexity(_parameters(network), 0, prompt, GRID_POINTS * prompt, GRID_POINTS * prompt)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _encode(network: SamNetwork | InstanceNetwork, input_size: int) -> tuple[int, Features]:
    """Return the operations, and zeros in the shapes of the features."""
    found: list[Tensor] = []
    with torch.inference_mode(), torch.device("meta"):
        pixels = torch.zeros(1, 3, input_size, input_size)
        network.warm_up()
        flops = count_flops(lambda: found.extend(network.encode(pixels)))
    return flops, tuple(torch.zeros(part.shape) for part in found)


def _zero_decoder(network: SamNetwork) -> Decoder:
    heads: tuple[nn.Module, ...] = (network.prompt_encoder, network.mask_decoder)
    for part in heads:
        part.to_empty(device="cpu")
        for tensor in (*part.parameters(), *part.buffers()):
            tensor.data.zero_()
    return network.decoder


def _decode(decoder: Decoder, context: object, coords: Tensor, labels: Tensor, masks: Sequence[int]) -> tuple[int, int]:
    """Return the operations of scoring the prompts and of drawing these masks of each."""
    scored: list[object] = []
    scoring = count_flops(lambda: scored.append(decoder.score(context, coords, labels)))
    rows = torch.arange(len(coords)).repeat_interleave(len(masks))
    drawing = count_flops(lambda: decoder.draw(scored[0], rows, torch.tensor(masks).repeat(len(coords))))
    return scoring, drawing


def _box(record: VariantRecord) -> tuple[Tensor, Tensor]:
    side = record.frame_size
    prompt = Prompt(box=(100.0, 100.0, 200.0, 200.0))
    coords, labels = prompt_tokens(prompt, ImageFrame.of(side, side, side), record.conventions.prompts.layout)
    return torch.from_numpy(coords)[None], torch.from_numpy(labels)[None]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, because torch counts only the calling thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def render(records: Iterable[VariantRecord]) -> str:
    counted = {record.name: asdict(count_complexity(record)) for record in records if countable(record)}
    return json.dumps(counted, indent=2, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m samfleet_models.tools.complexity", description=__doc__.split(":", 1)[0]
    )
    parser.add_argument("--write", type=Path, required=True, metavar="FILE")
    parser.parse_args(arguments).write.write_text(render(RECORDS))


if __name__ == "__main__":
    main()
