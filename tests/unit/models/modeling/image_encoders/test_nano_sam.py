"""NanoSAM's conventions, and its weights in two files; the decoder's file is MobileSAM's published one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fixtures.images.encoded_images import bright_square
from fixtures.models.random_parameters import randomised
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import CheckpointMismatch, file_sha256, load_weights
from samfleet_models.images.processor import ImageProcessor
from samfleet_models.mask_generation.prompt_tokens import point_prompts, prompt_tokens
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.postprocess.upsample import upscale
from samfleet_models.serving.engine import Engine, EngineSettings

NANO_SAM = get_variant("nanosam_resnet18")
FRAMING = ImageProcessor.of(NANO_SAM)


@pytest.mark.parametrize(
    ("size", "resized"),
    [((333, 1000), (340, 1024)), ((1000, 333), (1024, 340)), ((49, 49), (1024, 1024)), ((93, 128), (743, 1024))],
)
def test_sides_are_truncated_like_in_the_official_code(size: tuple[int, int], resized: tuple[int, int]) -> None:
    assert FRAMING.frame(*size).resized == resized


def test_coordinates_have_one_scale() -> None:
    coords, labels = prompt_tokens(Prompt(((100.0, 333.0),), (1,)), FRAMING.frame(333, 1000), "unpadded")
    np.testing.assert_array_equal(coords, np.array([[102.4, 340.992]], np.float32))
    assert labels.tolist() == [1]


def test_no_padding_point_is_added() -> None:
    frame = FRAMING.frame(1024, 1024)
    _, labels = prompt_tokens(Prompt(((5.0, 6.0),), (0,), (1.0, 2.0, 3.0, 4.0)), frame, "unpadded")
    assert labels.tolist() == [0, 2, 3]
    coords, kinds = point_prompts(np.array([[5.0, 6.0], [7.0, 8.0]]), "unpadded")
    assert (coords.tolist(), kinds.tolist()) == ([[[5.0, 6.0]], [[7.0, 8.0]]], [[1], [1]])


def test_logits_are_cropped_before_upsampling() -> None:
    low_res = torch.arange(256.0).repeat(1, 256, 1)  # as many as its column
    frame = FRAMING.frame(300, 200)
    drawn = upscale(low_res, frame)
    assert drawn.shape == (1, 300, 200)
    share = low_res[None, :, :, : int(256 * 200 / 300)]
    torch.testing.assert_close(drawn, nn.functional.interpolate(share, (300, 200), mode="bilinear")[0])


def small(folder: Path, decoder_state: Mapping[str, Tensor]) -> tuple[VariantRecord, Path, SamNetwork]:
    """Return the record of a small NanoSAM with both weight files, and the network with the same weights."""
    record = replace(
        NANO_SAM,
        name="small",
        architecture={**NANO_SAM.architecture, "encoder": {"widths": (4, 4, 8, 8), "depths": (1, 1, 1, 1)}},
        input_size=64,
    )
    network = build_network(record)
    randomised(network)
    own = network.state_dict()
    encoder, decoder = folder / "encoder.pth", folder / "decoder.pt"
    prefix = "image_encoder."
    table = {key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)}
    torch.save({"model": table, "optimizer": {"lr": 0.1}, "epoch": 7}, encoder)
    heads = {key: value for key, value in own.items() if not key.startswith(prefix)}
    torch.save({**decoder_state, **heads}, decoder)
    checkpoint = replace(record.checkpoint, filename=encoder.name, sha256=file_sha256(encoder))
    companion = replace(record.companions["decoder"], filename=decoder.name, sha256=file_sha256(decoder))
    return replace(record, checkpoint=checkpoint, companions={"decoder": companion}), encoder, network


def mobile_sam_encoder() -> dict[str, Tensor]:
    """Return the encoder part of the published decoder file; only keys and shapes matter."""
    with torch.device("meta"):
        encoder = build_network(get_variant("mobile_sam")).image_encoder
    return {f"image_encoder.{key}": torch.zeros(()).expand(value.shape) for key, value in encoder.state_dict().items()}


def test_both_files_are_loaded(tmp_path: Path) -> None:
    record, path, written = small(tmp_path, mobile_sam_encoder())
    network = build_network(record)
    load_weights(network, record, path)
    for key, value in written.state_dict().items():
        torch.testing.assert_close(network.state_dict()[key], value)


def test_the_decoder_file_must_be_the_published_one(tmp_path: Path) -> None:
    keys = mobile_sam_encoder()
    keys["image_encoder.patch_embed"] = keys.pop("image_encoder.patch_embed.seq.0.c.weight")
    record, path, _ = small(tmp_path, keys)
    with pytest.raises(CheckpointMismatch) as caught:
        load_weights(build_network(record), record, path)
    assert "1 missing: image_encoder.patch_embed.seq.0.c.weight" in caught.value.message
    assert "1 unexpected: image_encoder.patch_embed" in caught.value.message


@pytest.mark.parametrize("size", [(50, 20), (20, 50), (1, 400)])
def test_an_engine_segments_with_both_files(tmp_path: Path, size: tuple[int, int]) -> None:
    """An ambiguous prompt and a grid point may choose any of the four masks."""
    record, path, _ = small(tmp_path, mobile_sam_encoder())
    picture = bright_square(*size)
    grid = EverythingParameters(
        points_per_side=2, pred_iou_thresh=-100.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_n_layers=1
    )
    point = Prompt(points=((1, 1),), labels=(1,), multimask=True)
    box = Prompt(points=((1, 1),), labels=(0,), box=(0, 0, 15, 15))
    engine = Engine(record, path, EngineSettings(device="cpu"))
    requests = [SegmentRequest(picture, PromptsParameters(masks="all"), (point, box)), SegmentRequest(picture, grid)]
    prompted, everything = (reply for _, reply in sorted(engine.segment(requests), key=lambda pair: pair[0]))
    engine.close()
    assert (prompted.report.error_code, everything.report.error_code) == (None, None)
    assert [mask.prompt_index for mask in prompted.masks] == [0, 0, 0, 0, 1]
    assert everything.masks
    assert {mask.size for mask in (*prompted.masks, *everything.masks)} == {size[::-1]}
