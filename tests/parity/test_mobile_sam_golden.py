"""MobileSAM against its official code on the stand-in checkpoint of ../shared/parity/mobile_sam."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fixtures.models.drawn_masks import decode_all
from fixtures.models.parity_cases import golden, sample_image, standin_state
from fixtures.models.shared_data import shared_path
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models.batching.chunks import ScheduledImage
from samfleet_models.batching.scheduler import PromptScheduler
from samfleet_models.checkpoints.loading import load_state
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import Failure
from samfleet_models.images.transforms import ImageFrame, resize_to_frame, to_network_input
from samfleet_models.mask_generation.predictor import segment_prompts
from samfleet_models.mask_generation.prompt_tokens import prompt_tokens
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

CASE = "mobile_sam"
EMBEDDING_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 2e-4
IOU_TOLERANCE = 1e-4
HALF_TOLERANCE = 2e-3  # arrays stored as float16 in the golden file
MASK_BITS = 1e-4  # share of pixels whose logit is close to zero
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> SamNetwork:
    network = build_network(get_variant("mobile_sam"))
    load_state(network, standin_state(CASE))
    return network


@torch.inference_mode()
@pytest.mark.parametrize("case", ["case0", "case1"])
def test_official_results_are_reproduced(network: SamNetwork, case: str) -> None:
    record = get_variant("mobile_sam")
    given = json.loads(shared_path("parity", CASE, "prompts.json").read_text())[case]
    expected = golden(CASE, case)
    image = sample_image(given["image"])
    frame = ImageFrame.of(image.shape[0], image.shape[1], record.input_size)
    pixels = to_network_input([resize_to_frame(image, frame)], record.input_size, record.conventions.preprocessing, CPU)
    np.testing.assert_allclose(pixels[0, :, ::16, ::16], expected["pixels_probe"], atol=1e-5)
    embedding = network.encode(pixels)[0]
    difference = np.abs(embedding[0, :, ::8, ::8].numpy() - expected["embedding_probe"]).max()
    print(f"{case}: embedding differs by at most {difference:.1e}")
    assert difference <= EMBEDDING_TOLERANCE
    np.testing.assert_allclose(embedding[0, ::4], expected["embedding_c4"].astype(np.float32), atol=HALF_TOLERANCE)
    np.testing.assert_allclose(embedding[0].mean((1, 2)), expected["embedding_mean"], atol=EMBEDDING_TOLERANCE)
    for index, values in enumerate(given["prompts"]):
        check_prompt(network, embedding, frame, prompt_of(values), expected, index)


def prompt_of(values: dict[str, Any]) -> Prompt:
    points = tuple((float(x), float(y)) for x, y in values["points"] or ())
    box = values["box"]
    return Prompt(points, tuple(values["labels"] or ()), tuple(map(float, box)) if box else None)  # type: ignore[arg-type]  # four numbers


def prompted(network: SamNetwork, embedding: torch.Tensor, frame: ImageFrame, prompt: Prompt) -> tuple[MaskRecord, ...]:
    clock = StageClock(CPU)
    task = segment_prompts(network, (embedding,), frame, [prompt], PromptsParameters(masks="all"), clock)
    ((_, masks),) = PromptScheduler(network).run([ScheduledImage(0, task, clock)])
    assert not isinstance(masks, Failure)
    return masks


def check_prompt(
    network: SamNetwork,
    embedding: torch.Tensor,
    frame: ImageFrame,
    prompt: Prompt,
    expected: dict[str, NDArray[Any]],
    index: int,
) -> None:
    coords, labels = prompt_tokens(prompt, frame)
    logits, ious = decode_all(network, embedding, torch.from_numpy(coords)[None], torch.from_numpy(labels)[None])
    for name, rows in (("single", slice(0, 1)), ("multi", slice(1, 4))):
        key = f"{index}_{name}"
        probe = logits[0, rows, ::16, ::16]
        np.testing.assert_allclose(probe, expected[f"low_res_probe_{key}"], atol=LOGIT_TOLERANCE)
        half = expected[f"low_res_{key}_s2"].astype(np.float32)
        np.testing.assert_allclose(logits[0, rows, ::2, ::2], half, atol=HALF_TOLERANCE)
        np.testing.assert_allclose(ious[0, rows], expected[f"iou_{key}"], atol=IOU_TOLERANCE)
        asked = Prompt(prompt.points, prompt.labels, prompt.box, multimask=name == "multi")
        masks = prompted(network, embedding, frame, asked)
        ours = np.stack([decode_mask(mask.counts, mask.size) for mask in masks])
        shape = tuple(expected[f"mask_{key}_shape"])
        official = np.unpackbits(expected[f"mask_{key}"], count=int(np.prod(shape))).reshape(shape)
        assert (ours != official).mean() <= MASK_BITS
