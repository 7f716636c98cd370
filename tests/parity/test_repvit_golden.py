"""RepViT-SAM and EdgeSAM against their official code on the stand-in checkpoints of ../shared/parity."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image, standin_state
from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet_models import heads
from samfleet_models.common import Features
from samfleet_models.decoding import Decoder
from samfleet_models.loading import Failure
from samfleet_models.network import SamNetwork
from samfleet_models.networks import build_network
from samfleet_models.preprocess import Frame
from samfleet_models.prompt_tokens import prompt_tokens
from samfleet_models.prompted import segment_prompts
from samfleet_models.sharing import ImageWork, Sharing
from samfleet_models.timing import StageClock

CASES = ["repvit_sam", "edgesam", "edgesam_bilinear"]
GOLDEN = [pytest.param(name, marks=[pytest.mark.heavy] if name == "repvit_sam" else []) for name in CASES]
EMBEDDING_TOLERANCE = 1e-5  # of the range
LOGIT_TOLERANCE = 2e-4
SCORE_TOLERANCE = 1e-4
MASK_BITS = 1e-4  # share of pixels whose logit lies next to zero


def network_of(name: str) -> SamNetwork:
    network = build_network(get_variant(name))
    scale = json.loads(shared_path("parity", name, "meta.json").read_text())["scale"]
    network.load_published(standin_state(name, scale))
    return network


@torch.inference_mode()
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GOLDEN)
def test_the_official_results_come_out(name: str) -> None:
    network = network_of(name)
    plain = heads.SAM.fold(network.prompt_encoder, network.mask_decoder, torch.float32)
    for case, given in json.loads(shared_path("parity", name, "prompts.json").read_text()).items():
        expected = golden(name, case)
        image = sample_image(given["image"])
        frame = network.framing.frame(image.shape[0], image.shape[1])
        pixels = network.framing.network_input([network.framing.resize(image)], network.device)
        close(pixels[0, :, ::16, ::16], expected["pixels_probe"], 1e-5, f"{name} {case}: pixels")
        range_ = float(np.ptp(expected["embedding_probe"]))
        for form, embedding in (("published", network.image_encoder(pixels)), ("fused", network.encode(pixels)[0])):
            probe = embedding[0, :, ::8, ::8]
            close(probe, expected["embedding_probe"], EMBEDDING_TOLERANCE * range_, f"{name} {case}: {form} embedding")
        features = network.encode(pixels)
        for index, values in enumerate(given["prompts"]):
            prompt = prompt_of(values)
            coords, labels = (torch.from_numpy(part)[None] for part in prompt_tokens(prompt, frame, "sam"))
            logits, ious = drawn(plain, features, coords, labels)
            _, ranks = drawn(network.decoder, features, coords, labels)
            for mode, rows in (("single", slice(0, 1)), ("multi", slice(1, 4))):
                key, what = f"{index}_{mode}", f"{name} {case} {index} {mode}"
                close(logits[rows, ::16, ::16], expected[f"low_res_probe_{key}"], LOGIT_TOLERANCE, f"{what}: logits")
                close(ious[rows], expected[f"iou_{key}"], SCORE_TOLERANCE, f"{what}: IoU")
                if f"stability_{key}" in expected:
                    close(ranks[rows], expected[f"stability_{key}"], SCORE_TOLERANCE, f"{what}: stability")
                masks = answered(network, features, frame, prompt_of(values, multimask=mode == "multi"))
                ours = np.stack([decode_mask(mask.counts, mask.size) for mask in masks])
                assert (ours != official(expected, key)).mean() <= MASK_BITS
                assert [mask.predicted_iou for mask in masks] == ranks[rows].tolist()


def test_the_published_keys_and_shapes_are_the_networks() -> None:
    for name in CASES:
        with torch.device("meta"):
            network = build_network(get_variant(name))
        manifest = json.loads(shared_path("parity", name, "manifest.json").read_text())
        published = {key: value["shape"] for key, value in manifest.items()}
        assert published == {key: list(value.shape) for key, value in network.state_dict().items()}


def prompt_of(values: dict[str, Any], *, multimask: bool = True) -> Prompt:
    points = tuple((float(x), float(y)) for x, y in values["points"] or ())
    box = cast("tuple[float, float, float, float] | None", values["box"] and tuple(map(float, values["box"])))
    return Prompt(points, tuple(values["labels"] or ()), box, multimask=multimask)


def drawn(decoder: Decoder, features: Features, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [4, S/4, S/4] and scores [4] of one prompt."""
    scored = decoder.score(decoder.prepare(features), coords, labels)
    masks = torch.arange(scored.ious.shape[1])
    found = decoder.draw(scored, torch.zeros_like(masks), masks)
    torch.testing.assert_close(found.ious, scored.ious[0], atol=0, rtol=0)
    return found.logits, found.ious


def answered(network: SamNetwork, features: Features, frame: Frame, prompt: Prompt) -> tuple[MaskRecord, ...]:
    clock = StageClock(network.device)
    steps = segment_prompts(network, features, frame, [prompt], PromptsParameters(masks="all"), clock)
    ((_, masks),) = Sharing(network).run([ImageWork(0, steps, clock)])
    assert not isinstance(masks, Failure)
    return masks


def official(expected: dict[str, NDArray[Any]], key: str) -> NDArray[np.uint8]:
    shape = tuple(expected[f"mask_{key}_shape"])
    return np.unpackbits(expected[f"mask_{key}"], count=int(np.prod(shape))).reshape(shape)


def close(found: Tensor, expected: NDArray[np.float32], tolerance: float, what: str) -> None:
    difference = np.abs(found.numpy() - expected).max()
    print(f"{what} differs by at most {difference:.1e} of up to {np.abs(expected).max():.1f}")
    assert difference <= tolerance
