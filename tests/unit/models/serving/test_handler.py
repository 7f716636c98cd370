"""Requests of several images on their way through the handler, with the variant without a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from fixtures.images.encoded_images import bright_square
from samfleet.errors import SamfleetError
from samfleet.variants.task import EverythingParameters
from samfleet.variants.user_records import read_variant
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet.wire.tensors import Arrays, WireMismatch, pack_requests, unpack_replies
from samfleet_models.batching.cancellation import RequestCancelled
from samfleet_models.networks.fixed import fixed_masks
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.serving.handler import serve

MASKS = 3
TASK = EverythingParameters()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("fixed") / "mine.yaml"
    path.write_text(f"fixed: {{delay_ms: 0, masks: {MASKS}}}")
    engine = Engine(read_variant(path), path, EngineSettings(device="cpu"))
    yield engine
    engine.close()


def of_sizes(*sizes: int) -> Arrays:
    """Return a request of square images of these sides; 0 is a file that is no image."""
    images = [bright_square(side, side) if side else b"text" for side in sizes]
    return pack_requests([SegmentRequest(image, TASK) for image in images])


def replies(outcome: Arrays | SamfleetError) -> tuple[SegmentReply, ...]:
    assert isinstance(outcome, dict), outcome
    return unpack_replies(outcome)


def test_each_request_gets_the_replies_of_its_images_in_order(engine: Engine) -> None:
    found = dict(serve(engine, {0: of_sizes(20, 0, 40), 5: of_sizes(30), 7: of_sizes(0)}))
    widths = {position: [reply.report.width for reply in replies(outcome)] for position, outcome in found.items()}
    assert widths == {0: [20, 0, 40], 5: [30], 7: [0]}
    assert [reply.report.error_code for reply in replies(found[0])] == [None, "image_unreadable", None]
    assert replies(found[0])[2].masks == fixed_masks((40, 40), MASKS)
    assert {reply.report.batch_size for outcome in found.values() for reply in replies(outcome)} == {5}


def test_images_of_a_request_have_its_time(engine: Engine) -> None:
    (outcome,) = dict(serve(engine, {0: of_sizes(20, 0, 300)})).values()
    (execute_ms,) = {reply.report.execute_ms for reply in replies(outcome)}
    assert execute_ms >= max(
        sum(stage.amortised_ms for stage in reply.report.stages.values()) for reply in replies(outcome)
    )


def test_an_invalid_task_is_the_reply_of_its_image(engine: Engine) -> None:
    arrays = of_sizes(20, 30)
    arrays["TASK"][0, 0] = b'{"kind": "everything", "points_per_side": 0}'
    (outcome,) = dict(serve(engine, {0: arrays})).values()
    assert [reply.report.error_code for reply in replies(outcome)] == ["task_invalid", None]
    arrays["TASK"][1, 0] = arrays["TASK"][0, 0]
    (outcome,) = dict(serve(engine, {0: arrays})).values()
    assert [reply.report.error_code for reply in replies(outcome)] == ["task_invalid"] * 2


@pytest.mark.parametrize("name", ["TASK", "PROMPTS"])
def test_a_request_that_breaks_the_contract_does_not_affect_others(engine: Engine, name: str) -> None:
    broken = of_sizes(20, 30)
    broken[name][1, 0] = b"?"
    found = dict(serve(engine, {0: broken, 1: of_sizes(40)}))
    assert isinstance(found[0], WireMismatch)
    assert [reply.report.width for reply in replies(found[1])] == [40]


def test_columns_of_different_lengths_break_the_contract(engine: Engine) -> None:
    broken = of_sizes(20, 30)
    broken["IMAGE"] = np.array([[b"x"]], dtype=np.object_)
    assert isinstance(dict(serve(engine, {0: broken}))[0], WireMismatch)


def test_a_cancelled_request_has_no_images(engine: Engine) -> None:
    found = dict(serve(engine, {0: of_sizes(20, 30), 1: of_sizes(40)}, {0: lambda: True, 1: lambda: False}))
    assert isinstance(found[0], RequestCancelled)
    assert [reply.report.width for reply in replies(found[1])] == [40]


def test_requests_are_answered_alike_alone_and_together(engine: Engine) -> None:
    together = replies(dict(serve(engine, {0: of_sizes(20, 30)}))[0])
    alone = [replies(dict(serve(engine, {0: of_sizes(side)}))[0])[0] for side in (20, 30)]
    assert [reply.masks for reply in together] == [reply.masks for reply in alone]
    assert [(reply.report.width, reply.report.checkpoint_sha256) for reply in together] == [
        (reply.report.width, reply.report.checkpoint_sha256) for reply in alone
    ]
    assert replace(together[0].report, hardware={}) != replace(together[1].report, hardware={})  # each its own
