from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.stage_operations import counted_stages
from fixtures.images.encoded_images import encoded
from fixtures.images.scenes import scene
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet.wire.messages import SegmentRequest
from samfleet_models.device.timing import StageClock
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.tools.flops import count_flops

__all__ = ["tiny"]


@pytest.fixture
def engine(tiny: tuple[VariantRecord, Path]) -> Iterator[Engine]:
    threads = torch.get_num_threads()
    with closing(Engine(*tiny, EngineSettings(device="cpu", threads=1))) as made:
        yield made
    torch.set_num_threads(threads)


@torch.inference_mode()
def test_every_operation_belongs_to_a_stage(engine: Engine) -> None:
    task = replace(engine.record.everything, points_per_side=3, pred_iou_thresh=-1e6, stability_score_thresh=0.0)
    request = SegmentRequest(encoded(scene()), task)

    def work() -> None:
        ((_, reply),) = engine.segment([request])
        assert reply.report.error_code is None

    work()  # the first run also prepares what all images share
    measure = StageClock.measure
    total = count_flops(work)
    with counted_stages() as found:
        work()
    assert sum(found.values()) == total
    pixels = torch.zeros(1, 3, engine.record.input_size, engine.record.input_size)
    assert found["encode"] == count_flops(lambda: engine.network.encode(pixels))  # type: ignore[attr-defined]
    assert found["decode"] > found["encode"] / 10 > 0
    assert StageClock.measure is measure
