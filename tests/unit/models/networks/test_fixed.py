"""The variant without a model, in an engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fixtures.images.encoded_images import bright_square
from samfleet.masks.rle import decode_mask
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.variants.user_records import read_variant
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.networks.fixed import fixed_masks
from samfleet_models.serving.engine import Engine, EngineSettings

WIDTH, HEIGHT = 120, 90


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("fixed") / "mine.yaml"
    path.write_text("fixed: {delay_ms: 4, masks: 50}")
    engine = Engine(read_variant(path), path, EngineSettings(device="cpu"))
    yield engine
    engine.close()


def segment(engine: Engine, *requests: SegmentRequest) -> list[SegmentReply]:
    replies = dict(engine.segment(requests))
    return [replies[position] for position in range(len(requests))]


def test_every_image_gets_the_same_masks(engine: Engine) -> None:
    request = SegmentRequest(bright_square(WIDTH, HEIGHT), EverythingParameters())
    one, other = segment(engine, request, request)
    assert one.report.error_code is None
    assert one.masks == other.masks == fixed_masks((HEIGHT, WIDTH), 50)
    assert len(one.masks) == 50
    for mask in one.masks:
        area = decode_mask(mask.counts, mask.size).sum()
        assert 0 < area == mask.area


def test_prompts_get_their_box_or_pixel(engine: Engine) -> None:
    boxes = ((10.0, 20.0, 30.0, 60.0), (100.0, 80.0, 400.0, 300.0), (-5.0, -5.0, -1.0, -1.0))
    prompts = (*(Prompt(box=box) for box in boxes), Prompt(points=((7.5, 8.5),), labels=(1,)))
    (reply,) = segment(engine, SegmentRequest(bright_square(WIDTH, HEIGHT), PromptsParameters(), prompts))
    assert [mask.prompt_index for mask in reply.masks] == [0, 1, 2, 3]
    assert [mask.area for mask in reply.masks] == [20 * 40, 20 * 10, 1, 1]
    first = np.argwhere(decode_mask(reply.masks[0].counts, (HEIGHT, WIDTH)))
    assert (*first.min(0), *first.max(0)) == (20, 10, 59, 29)


def test_a_batch_takes_the_time_of_each_image(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("samfleet_models.networks.fixed.time.sleep", slept.append)
    request = SegmentRequest(bright_square(WIDTH, HEIGHT), EverythingParameters())
    segment(engine, request, request, request)
    assert sum(slept) == pytest.approx(0.012)
