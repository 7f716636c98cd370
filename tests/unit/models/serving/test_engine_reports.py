"""Figures in replies besides masks: times, warm-up, the device and its energy."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fixtures.images.encoded_images import bright_square
from fixtures.models.engine_requests import BOTH, BOX, EVERYTHING, POINT, POINTS, prompts_request, segment
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.variants.task import PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.decoder.folded import FoldedDecoder, ScoredPrompts
from samfleet_models.device.meters.meter import DeviceWatch, MemoryMeter
from samfleet_models.serving.engine import Engine

__all__ = ["tiny", "tiny_engine"]


class CountingMeter(MemoryMeter):
    """A meter that counts the same use between any two readings."""

    STEP = 5.0

    def joules(self) -> float:
        self.used_joules = (self.used_joules or 0.0) + self.STEP
        return self.used_joules


def test_the_first_execution_is_warm_up(tiny_engine: Engine) -> None:
    first, second, third = (
        segment(tiny_engine, [request])[0].report.warmup
        for request in (prompts_request(), prompts_request(POINT), prompts_request(POINT))
    )
    assert (first, second, third) == (False, True, False)


def test_shared_time_is_divided_and_replies_are_sent_early(tiny_engine: Engine) -> None:
    replies = segment(tiny_engine, [prompts_request(POINT)] * 4)
    for reply in replies:
        encode = reply.report.stages["encode"]
        assert encode.amortised_ms == pytest.approx(encode.batch_ms / 4)
        assert reply.report.batch_size == 4
    elapsed = [reply.report.execute_ms for reply in replies]
    assert elapsed == sorted(elapsed)


def test_the_hardware_record_is_flat_and_complete(tiny_engine: Engine) -> None:
    hardware = tiny_engine.hardware
    assert hardware["device_kind"] == "cpu"
    assert hardware["torch"] == torch.__version__
    assert hardware["device_memory_bytes"] > 2**28
    assert all(isinstance(value, str | int | None) for value in hardware.values())


def test_every_reply_describes_the_device(tiny_engine: Engine) -> None:
    good, bad = segment(
        tiny_engine, [prompts_request(POINT), SegmentRequest(b"no image", PromptsParameters(), (POINT,))]
    )
    for reply in (good, bad):
        assert reply.report.device is not None
        assert reply.report.device.id == "cpu"
        assert reply.report.device.memory_total_bytes
        assert reply.report.energy_j is None
        assert reply.report.other_load is None or 0 <= reply.report.other_load <= 1


def test_the_images_of_a_batch_share_its_energy(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = CountingMeter()
    monkeypatch.setattr(tiny_engine, "_watch", DeviceWatch(meter))
    replies = segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX), prompts_request(POINTS, BOTH)])
    shares = [reply.report.energy_j for reply in replies]
    assert all(share is not None and share > 0 for share in shares)
    assert sum(share or 0 for share in shares) == pytest.approx((meter.used_joules or 0) - CountingMeter.STEP)


def test_prompts_that_lose_their_score_are_counted(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds drop these masks, so no score of a returned mask shows it."""
    score = FoldedDecoder.score

    def losing(decoder: FoldedDecoder, *question: Any) -> ScoredPrompts:
        scored = score(decoder, *question)
        scored.ious[0, 2], scored.ious[1, 0] = math.nan, math.inf  # no point of SegEvery uses mask 0
        return scored

    before = segment(tiny_engine, [SegmentRequest(bright_square(40, 30), EVERYTHING)])[0].report
    monkeypatch.setattr(FoldedDecoder, "score", losing)
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(40, 30), EVERYTHING)])
    assert (before.unscored_prompts, reply.report.unscored_prompts) == (0, 1)
    assert all(math.isfinite(mask.predicted_iou) for mask in reply.masks)
