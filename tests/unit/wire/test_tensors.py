from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from samfleet.masks.record import MaskRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptMask, PromptsParameters, TaskInvalid
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest
from samfleet.wire.packed_masks import PackedMasks
from samfleet.wire.tensors import (
    INPUTS,
    OUTPUTS,
    Arrays,
    WireMismatch,
    image_rows,
    pack_replies,
    pack_requests,
    unpack_replies,
    unpack_request,
)

PROMPTS = (
    Prompt(points=((1.5, 2.0), (3.0, 4.0)), labels=(1, 0)),
    Prompt(box=(0.0, 0.5, 9.0, 8.0), multimask=True),
    Prompt(points=((7.0, 7.0),), labels=(1,), box=(1.0, 1.0, 2.0, 2.0)),
)
OF_MASKS = (
    Prompt(mask=PromptMask((4, 6), "04_2")),
    *PROMPTS,
    Prompt(points=((1.0, 1.0),), labels=(0,), box=(0.0, 0.0, 4.0, 4.0), multimask=True, mask=PromptMask((5, 7), "a")),
)
MASKS = (
    MaskRecord("abc", (4, 6), 5, (0.0, 1.0, 2.0, 3.0), 0.875, 0.5, point_coords=(0.0, 0.5), crop_box=(0, 0, 6, 4)),
    MaskRecord("d", (4, 6), 2**40, (1.0, 1.0, 1.0, 1.0), 1.25, 1.0, prompt_index=0),
)
REQUESTS = [
    SegmentRequest(b"\xff\xd8jpeg", EverythingParameters(points_per_side=3)),
    SegmentRequest(b"", PromptsParameters("all"), PROMPTS),
    SegmentRequest(b"x", PromptsParameters()),
    SegmentRequest(b"x", PromptsParameters(), OF_MASKS),
    SegmentRequest(b"x", EverythingParameters(sampler="object_aware"), (Prompt(box=(0.0, 0.5, 9.0, 8.0)),)),
    SegmentRequest(b"x\0", EverythingParameters(sampler="hierarchical", hierarchical_coarse_factor=2)),
]
REPORT = ImageReport(width=6, height=4)


def assert_declared(arrays: Arrays, declared: dict[str, tuple[str, tuple[int, ...]]], images: int) -> None:
    assert arrays.keys() == declared.keys()
    assert {dtype for dtype, _dims in declared.values()} == {"TYPE_STRING"}
    for name, (_dtype, dims) in declared.items():
        assert arrays[name].shape == (images, *dims), name
        assert all(isinstance(value, bytes) for value in arrays[name].reshape(-1)), name


def sent(*requests: SegmentRequest) -> list[SegmentRequest]:
    return [unpack_request(*row) for row in image_rows(pack_requests(requests))]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_round_trips(request_: SegmentRequest) -> None:
    assert_declared(pack_requests([request_]), INPUTS, 1)
    assert sent(request_) == [request_]


def test_images_of_a_request_keep_their_order_and_prompts() -> None:
    assert_declared(pack_requests(REQUESTS), INPUTS, len(REQUESTS))
    assert sent(*REQUESTS) == REQUESTS


@pytest.mark.parametrize("masks", [MASKS, (), MASKS[:1]])
def test_a_reply_round_trips(masks: tuple[MaskRecord, ...]) -> None:
    reply = SegmentReply(masks, REPORT)
    arrays = pack_replies([reply])
    assert_declared(arrays, OUTPUTS, 1)
    assert unpack_replies(arrays) == (reply,)


def test_replies_of_a_request_keep_their_order() -> None:
    replies = (SegmentReply(MASKS, REPORT), SegmentReply((), ImageReport()), SegmentReply(MASKS[1:], REPORT))
    arrays = pack_replies(replies)
    assert_declared(arrays, OUTPUTS, 3)
    assert unpack_replies(arrays) == replies


@pytest.mark.parametrize(
    "damaged",
    [
        lambda packed: packed[:2],
        lambda packed: packed[:-4],
        lambda packed: packed[:-1],
        lambda packed: packed + b"\0\0\0\0",
        lambda packed: packed + b"\0",
        lambda packed: b"\0\0\0\0" + packed[4:],
        lambda packed: b"\xff\xff\xff\xff" + packed[4:],
        lambda packed: b"\xff\xff\xff\x7f" + packed[4:],
        lambda packed: packed[:8] + b"\xff\xff\xff\xff" + packed[12:],
    ],
)
def test_inconsistent_prompts_are_refused(damaged: Callable[[bytes], bytes]) -> None:
    arrays = pack_requests([SegmentRequest(b"", PromptsParameters(), PROMPTS)])
    (row,) = image_rows(arrays)
    with pytest.raises(WireMismatch, match="PROMPTS"):
        unpack_request(row[0], damaged(row[1]), row[2])


@pytest.mark.parametrize(
    "damaged",
    [
        lambda packed: packed[:-1],
        lambda packed: packed + b"0",
        lambda packed: packed[:-1] + b"\xff",
        lambda packed: packed[:4] + b"\4\0\0\0" + packed[8:],  # a kind that is not known
        lambda packed: packed[:-13] + b"\0\0\0\0" + packed[-9:],  # a mask without characters
    ],
)
def test_inconsistent_mask_prompts_are_refused(damaged: Callable[[bytes], bytes]) -> None:
    arrays = pack_requests([SegmentRequest(b"", PromptsParameters(), OF_MASKS)])
    (row,) = image_rows(arrays)
    with pytest.raises(WireMismatch, match="PROMPTS"):
        unpack_request(row[0], damaged(row[1]), row[2])


@pytest.mark.parametrize(
    "damaged",
    [
        lambda packed: packed[:3],
        lambda packed: packed[:-1],
        lambda packed: packed + b"0",
        lambda packed: b"\0\0\0\0" + packed[4:],
        lambda packed: b"\xff\xff\xff\xff" + packed[4:],
        lambda packed: b"\xff\xff\xff\x7f" + packed[4:],
        lambda packed: packed[:4] + b"\0\0\xc0\x7f" + packed[8:],  # x of the first box is NaN
        lambda packed: packed[:20] + b"\0\0\x80\x7f" + packed[24:],  # the first predicted IoU is infinite
    ],
)
def test_inconsistent_masks_are_refused(damaged: Callable[[bytes], bytes]) -> None:
    arrays = pack_replies([SegmentReply(MASKS, REPORT)])
    arrays["MASKS"][0, 0] = damaged(arrays["MASKS"][0, 0])
    with pytest.raises(WireMismatch, match="MASKS"):
        unpack_replies(arrays)


def test_tensors_of_different_numbers_of_images_are_refused() -> None:
    arrays = pack_requests(REQUESTS)
    arrays["TASK"] = arrays["TASK"][:-1]
    with pytest.raises(WireMismatch, match="IMAGE, PROMPTS, TASK"):
        list(image_rows(arrays))
    replies = pack_replies([SegmentReply((), REPORT)] * 2)
    replies["REPORT"] = replies["REPORT"][:1]
    with pytest.raises(WireMismatch, match="MASKS and REPORT"):
        unpack_replies(replies)


def test_a_received_task_is_validated_again() -> None:
    task = b'{"kind": "everything", "points_per_side": 0}'
    with pytest.raises(TaskInvalid):
        unpack_request(b"", b"", task)


def test_bytes_of_any_value_are_kept() -> None:
    every = bytes(range(256))
    arrays = pack_requests([SegmentRequest(every, PromptsParameters())])
    assert arrays["IMAGE"].dtype == np.object_
    assert arrays["IMAGE"][0, 0] == every


@pytest.mark.parametrize("masks", [MASKS, (), MASKS[:1], MASKS[1:]])
def test_packed_masks_have_the_rows_of_their_records(masks: tuple[MaskRecord, ...]) -> None:
    (reply,) = unpack_replies(pack_replies([SegmentReply(masks, REPORT)]))
    assert isinstance(reply.masks, PackedMasks)
    assert reply.masks.to_dicts() == [mask.to_dict() for mask in reply.masks]
    assert [list(row) for row in reply.masks.to_dicts()] == [list(mask.to_dict()) for mask in reply.masks]


def test_packed_masks_are_a_sequence_of_records() -> None:
    (reply,) = unpack_replies(pack_replies([SegmentReply(MASKS, REPORT)]))
    assert len(reply.masks) == len(MASKS)
    assert reply.masks[0] == MASKS[0]
    assert reply.masks[-1] == MASKS[-1]
    assert tuple(reply.masks[1:]) == MASKS[1:]
    assert reply.masks != MASKS[1:]
    other: object = 1
    assert reply.masks != other


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_round_trips_through_json(mask: MaskRecord) -> None:
    assert MaskRecord.from_dict(mask.to_dict()) == mask
