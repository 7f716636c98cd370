"""The path of the GPU's mask kernels, on the stand-in GPU with a double of the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.images.encoded_images import encoded, gradient
from fixtures.models import stand_in_mask_kernels
from fixtures.models.stand_in_gpu import GPU, StandInGpu
from fixtures.models.tiny_families import tiny_variant_of
from samfleet.masks.rle import decode_mask
from samfleet.wire.messages import SegmentRequest
from samfleet_kernels.library import choice, choose
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess import device_runs
from samfleet_models.postprocess.masks import CropPlacement, Selection, encode_masks
from samfleet_models.serving.engine import Engine, EngineSettings

FRAME = ImageFrame.of(30, 40, 64)
PLACEMENT = CropPlacement((10, 5, 50, 35), (60, 80))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInGpu]:
    monkeypatch.setattr(device_runs, "_module", lambda: stand_in_mask_kernels)
    before = choice()
    choose("triton")
    with StandInGpu() as gpu:
        yield gpu
    choose(before)


def random_logits(count: int) -> torch.Tensor:
    return torch.randn(count, 16, 16, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize("selection", [Selection(), Selection(stability_thresh=0.42)])
@pytest.mark.parametrize("at_a_time", [1, 10**6])
def test_the_kernels_give_the_masks_of_the_cpu_with_one_wait(
    selection: Selection, at_a_time: int, gpu: StandInGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encode_masks(random_logits(7), FRAME, PLACEMENT, selection)
    monkeypatch.setattr(device_runs, "ENDS_AT_A_TIME", at_a_time)
    found = encode_masks(random_logits(7).to(GPU), FRAME, PLACEMENT, selection)
    assert gpu.waits.total() - 1 == 1  # the other one copied the logits to the GPU
    np.testing.assert_array_equal(found.source, expected.source)
    np.testing.assert_allclose(found.stability, expected.stability, atol=0.01)
    for own, other in zip(found.counts, expected.counts, strict=True):
        assert np.count_nonzero(decode_mask(own, (60, 80)) != decode_mask(other, (60, 80))) <= 2
    assert len(found.counts) == len(found.boxes) == len(found.areas) > 0


@pytest.mark.parametrize(("count", "least"), [(0, None), (5, 1.1)])
def test_no_mask_passes(count: int, least: float | None, gpu: StandInGpu) -> None:
    assert gpu
    found = encode_masks(random_logits(count).to(GPU), FRAME, PLACEMENT, Selection(stability_thresh=least))
    assert found.counts == []
    assert found.boxes.shape == (0, 4)


def test_empty_and_full_masks_have_their_runs(gpu: StandInGpu) -> None:
    assert gpu
    low = torch.stack([torch.full((16, 16), -1.0), torch.full((16, 16), 1.0)]).to(GPU)
    found = encode_masks(low, FRAME, CropPlacement.whole(30, 40), Selection())
    assert found.areas.tolist() == [0, 30 * 40]
    assert found.boxes.tolist() == [[0, 0, 0, 0], [0, 0, 39, 29]]


def test_bicubic_logits_are_drawn_by_torch(gpu: StandInGpu) -> None:
    frame = replace(FRAME, upsampling="direct_bicubic")
    assert not device_runs.applies(random_logits(1).to(GPU), frame)
    assert device_runs.applies(random_logits(1).to(GPU), FRAME)
    assert not device_runs.applies(random_logits(1), FRAME)
    choose("auto")
    assert not device_runs.applies(random_logits(1).to(GPU), FRAME)
    assert gpu


@pytest.mark.parametrize(
    ("points_per_side", "size"),
    [
        pytest.param(16, (120, 160), id="256 prompts"),
        pytest.param(4, (3000, 4000), id="12 megapixels", marks=pytest.mark.heavy),
    ],
)
def test_an_image_waits_for_scores_and_counts_alone(
    points_per_side: int, size: tuple[int, int], gpu: StandInGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, path = tiny_variant_of("mobile_sam", tmp_path)
    monkeypatch.setattr(device_runs, "ENDS_AT_A_TIME", 100)
    task = replace(
        record.everything,
        points_per_side=points_per_side,
        pred_iou_thresh=-9.0,
        stability_score_thresh=1e-3,
        box_nms_thresh=1.0,
        sampler="grid",
    )
    choose("auto")  # the stand-in runs no kernels of Triton, so the decoder must not choose any
    engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
    assert engine.network.decoder
    choose("triton")
    gpu.reset()
    ((_, reply),) = engine.segment([SegmentRequest(encoded(gradient(*reversed(size))), task)])
    engine.close()
    assert reply.report.error_code is None
    assert len(reply.masks) >= points_per_side**2
    assert gpu.waits == {
        "decoder.folded.FoldedDecoder.score: copy to the host": 1,
        "device.transfers.Crossing.landed: event": 1,
    }
