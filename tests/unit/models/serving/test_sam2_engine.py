"""The SAM 2 line through the whole engine at a tiny size, from a file in the published layout."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.checkpoints.loading import CheckpointMismatch, file_sha256
from samfleet_models.networks.families import FAMILIES
from samfleet_models.networks.registry import build_network
from samfleet_models.serving.engine import Engine, EngineSettings

SIZES: dict[str, dict[str, object]] = {
    "sam2_1_hiera_t": {"embed_dim": 8, "stages": (1, 1, 2, 1), "global_att_blocks": (3,)},
    "edgetam": {"channels": (8, 16, 32, 64), "depths": (1, 1, 2, 1)},
    "efficienttam_ti": {"dim": 12, "depth": 2, "global_blocks": (1,)},
}
FEED_FORWARD = re.compile(r"(?<=\.mlp\.)lin([12])(?=\.)")


def published_key(own: str) -> str:
    """Invert `own_key_of_sam2`."""
    if own.startswith(("image_encoder.conv_s", "image_encoder.no_mem_embed")):
        key = own.removeprefix("image_encoder.")
        return f"sam_mask_decoder.{key}" if key.startswith("conv_s") else key
    if own.startswith(("prompt_encoder.", "mask_decoder.")):
        return "sam_" + FEED_FORWARD.sub(lambda found: f"layers.{int(found[1]) - 1}", own)
    return own


def published_state(record: VariantRecord) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        own = build_network(record).state_dict()
    unread = FAMILIES[record.family].unread
    assert unread is not None
    rest = {key: torch.zeros(value.shape) for key, value in unread(record.architecture).state_dict().items()}
    return {published_key(key): value for key, value in own.items()} | rest


def written(name: str, folder: Path, *, without: str | None = None) -> tuple[VariantRecord, Path]:
    official = get_variant(name)
    record = replace(official, architecture={**official.architecture, **SIZES[name]}, input_size=128)
    state = published_state(record)
    if without is not None:
        del state[without]
    path = folder / f"{name}.pt"
    torch.save({"model": state}, path)
    checkpoint = replace(official.checkpoint, filename=path.name, sha256=file_sha256(path))
    return replace(record, checkpoint=checkpoint), path


def answer(engine: Engine, request: SegmentRequest) -> SegmentReply:
    ((_, reply),) = engine.segment([request])
    assert isinstance(reply, SegmentReply)
    return reply


@pytest.mark.parametrize("name", SIZES)
def test_the_published_layout_loads_and_segments(name: str, tmp_path: Path) -> None:
    file = bright_square(160, 90)
    box = Prompt(box=(10.0, 10.0, 80.0, 60.0))
    clicks = Prompt(points=((40.0, 30.0), (5.0, 5.0)), labels=(1, 0), multimask=True)
    engine = Engine(*written(name, tmp_path), EngineSettings(device="cpu"))
    try:
        asked = SegmentRequest(file, PromptsParameters(masks="all"), (box, clicks))
        masks = answer(engine, asked).masks
        everything = EverythingParameters(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)
        found = answer(engine, SegmentRequest(file, everything)).masks
    finally:
        engine.close()
    assert [mask.prompt_index for mask in masks] == [0, 1, 1, 1]
    assert all(0 < mask.predicted_iou < 1 for mask in (*masks, *found))
    assert all(decode_mask(mask.counts, mask.size).shape == (90, 160) for mask in masks)
    assert found


@pytest.mark.parametrize("key", ["memory_attention.norm.weight", "sam_mask_decoder.conv_s0.bias"])
def test_a_checkpoint_without_a_published_key_is_refused(key: str, tmp_path: Path) -> None:
    """This includes a key that nothing reads: without it the file is not the published one."""
    record, path = written("sam2_1_hiera_t", tmp_path, without=key)
    with pytest.raises(CheckpointMismatch, match="1 missing"):
        Engine(record, path, EngineSettings(device="cpu"))
