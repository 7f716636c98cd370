from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from samfleet.masks.record import MaskRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskInvalid
from samfleet.wire.device_state import DeviceState
from samfleet.wire.messages import (
    INPUTS,
    OUTPUTS,
    Arrays,
    ImageReport,
    SegmentReply,
    SegmentRequest,
    StageTime,
    WireMismatch,
    pack_reply,
    pack_request,
    unpack_reply,
    unpack_request,
)

NUMPY = {"TYPE_UINT8": "u1", "TYPE_INT32": "i4", "TYPE_INT64": "i8", "TYPE_FP32": "f4", "TYPE_STRING": "O"}
PROMPTS = (
    Prompt(points=((1.5, 2.0), (3.0, 4.0)), labels=(1, 0)),
    Prompt(box=(0.0, 0.5, 9.0, 8.0), multimask=True),
    Prompt(points=((7.0, 7.0),), labels=(1,), box=(1.0, 1.0, 2.0, 2.0)),
)
REPORT = ImageReport(
    width=6,
    height=4,
    stages={"encode": StageTime(1.5, 3.0)},
    batch_size=2,
    warmup=True,
    prompts_decoded=3,
    execute_ms=12.0,
    hardware={"device_name": "cpu"},
    energy_j=12.5,
    other_load=0.25,
    device=DeviceState("GPU-1", 5, 10, 0.5, 70.25),
    execution="bf16+compile",
    warmup_seconds=12.5,
    gate={"agreeing_share": 0.98, "worst_image": "a.png"},
)
MASKS = (
    MaskRecord("abc", (4, 6), 5, (0.0, 1.0, 2.0, 3.0), 0.875, 0.5, point_coords=(0.0, 0.5), crop_box=(0, 0, 6, 4)),
    MaskRecord("d", (4, 6), 2**40, (1.0, 1.0, 1.0, 1.0), 1.25, 1.0, prompt_index=0),
)


def assert_declared(arrays: Arrays, declared: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    assert arrays.keys() == declared.keys()
    for name, (dtype, dims) in declared.items():
        array = arrays[name]
        assert array.dtype == np.dtype(NUMPY[dtype]), name
        assert array.shape[0] == 1, name
        assert len(array.shape) == len(dims) + 1, name
        assert all(want in {-1, have} for want, have in zip(dims, array.shape[1:], strict=True)), name


@pytest.mark.parametrize(
    "request_",
    [
        SegmentRequest(b"\xff\xd8jpeg", EverythingParameters(points_per_side=3)),
        SegmentRequest(b"", PromptsParameters("all"), PROMPTS),
        SegmentRequest(b"x", PromptsParameters()),
        SegmentRequest(b"x", EverythingParameters(sampler="object_aware"), (Prompt(box=(0.0, 0.5, 9.0, 8.0)),)),
        SegmentRequest(b"x", EverythingParameters(sampler="hierarchical", hierarchical_coarse_factor=2)),
    ],
)
def test_a_request_round_trips(request_: SegmentRequest) -> None:
    arrays = pack_request(request_)
    assert_declared(arrays, INPUTS)
    assert unpack_request(arrays) == request_


@pytest.mark.parametrize("masks", [MASKS, ()])
def test_a_reply_round_trips(masks: tuple[MaskRecord, ...]) -> None:
    reply = SegmentReply(masks, REPORT)
    arrays = pack_reply(reply)
    assert_declared(arrays, OUTPUTS)
    assert unpack_reply(arrays) == reply


def test_a_report_of_another_release_is_read_with_the_common_fields() -> None:
    written = json.loads(REPORT.to_json())
    of_older = {name: value for name, value in written.items() if name != "device"}
    assert ImageReport.from_json(json.dumps(of_older)) == replace(REPORT, device=None)
    of_newer = {**written, "mood": "good", "device": {**written["device"], "fans": 2}}
    assert ImageReport.from_json(json.dumps(of_newer)) == REPORT


def test_inconsistent_prompt_tensors_are_refused() -> None:
    arrays = pack_request(SegmentRequest(b"", PromptsParameters(), PROMPTS))
    arrays["PROMPT_POINTS"] = arrays["PROMPT_POINTS"][:, :-1]
    with pytest.raises(WireMismatch):
        unpack_request(arrays)


def test_a_received_task_is_validated_again() -> None:
    arrays = pack_request(SegmentRequest(b"", EverythingParameters()))
    arrays["TASK"] = np.array([[b'{"kind": "everything", "points_per_side": 0}']], dtype=np.object_)
    with pytest.raises(TaskInvalid):
        unpack_request(arrays)


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_round_trips_through_json(mask: MaskRecord) -> None:
    assert MaskRecord.from_dict(mask.to_dict()) == mask
