from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton_grpc
from numpy.typing import NDArray

from fixtures.images.encoded_images import bright_square
from fixtures.models.gates import gate
from fixtures.models.mobile_sam_engine import mobile_sam
from fixtures.models.shared_data import weights_dir
from fixtures.servers.triton import running_triton, triton
from fixtures.servers.triton_requests import MODEL, ask, infer, square_prompt
from samfleet.masks.rle import decode_mask, encode_mask
from samfleet.quality.segmentation import pixel_ious
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.gates import Gate, write_gate
from samfleet.variants.task import EverythingParameters, Prompt, PromptMask, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet.wire.tensors import WireMismatch, pack_requests
from samfleet_models.device.hardware import fingerprint
from samfleet_models.precision.admission import gate_subject
from samfleet_models.serving.engine import Engine
from samfleet_worker.triton.client import connect
from samfleet_worker.triton.errors import from_triton

__all__ = ["mobile_sam", "triton"]

LEAST_IOU = 0.99  # the server has other threads and another free memory, so it adds in another order


def batch_sizes(client: triton_grpc.InferenceServerClient) -> dict[int, int]:
    """Return executions by batch size, from Triton's statistics."""
    (stats,) = client.get_inference_statistics(MODEL).model_stats
    return {entry.batch_size: entry.compute_infer.count for entry in stats.batch_stats}


def executions_since(
    client: triton_grpc.InferenceServerClient, before: dict[int, int], requests: int
) -> dict[int, int]:
    """Return the executions of `requests`. Replies are sent before their batch ends, and Triton counts it only then."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        executed = {size: count - before.get(size, 0) for size, count in batch_sizes(client).items()}
        if sum(size * count for size, count in executed.items()) == requests:
            return executed
        time.sleep(0.05)
    pytest.fail(f"Triton has not counted {requests} requests: {executed}")


def test_concurrent_requests_of_every_shape_share_batches(triton: triton_grpc.InferenceServerClient) -> None:
    before = batch_sizes(triton)
    shapes = [(160, 120), (200, 200), (64, 256), (256, 128), (160, 120)]
    requests = [
        SegmentRequest(bright_square(*shape), PromptsParameters(), (square_prompt(*shape),) * (index % 3 + 1))
        for index, shape in enumerate(shapes)
    ]
    with ThreadPoolExecutor(len(requests)) as pool:
        replies = list(pool.map(lambda request: ask(triton, request), requests))
    for request, reply, (width, height) in zip(requests, replies, shapes, strict=True):
        assert reply.report.error_code is None
        assert (reply.report.width, reply.report.height) == (width, height)
        assert [mask.prompt_index for mask in reply.masks] == list(range(len(request.prompts)))
        side = 2 * (min(width, height) // 4)
        assert reply.masks[0].area == pytest.approx(side**2, rel=0.15)
        assert decode_mask(reply.masks[0].counts, (height, width)).sum() == reply.masks[0].area
    executed = executions_since(triton, before, len(requests))
    assert sum(executed.values()) < len(requests)
    assert max(size for size, count in executed.items() if count) > 1
    assert {reply.report.batch_size for reply in replies} - {1}


def test_a_bad_image_does_not_affect_the_other_images_of_its_batch(triton: triton_grpc.InferenceServerClient) -> None:
    good = SegmentRequest(bright_square(120, 90), PromptsParameters(), (square_prompt(120, 90),))
    images = [b"hello, I am a text file", b"", bright_square(120, 90)[:60]]
    bad = [SegmentRequest(image, PromptsParameters(), good.prompts) for image in images]
    with ThreadPoolExecutor(7) as pool:
        replies = list(pool.map(lambda request: ask(triton, request), [good, *bad, good, good, good]))
    codes = [reply.report.error_code for reply in replies]
    assert codes[0] is codes[4] is codes[5] is codes[6] is None
    assert codes[1:4] == ["image_unreadable", "image_empty", "image_truncated"]
    assert all(reply.report.error_message and reply.report.error_stage == "preprocess" for reply in replies[1:4])
    masks = [mask for reply in replies for mask in reply.masks]
    assert len(masks) == 4
    assert len({mask.counts for mask in masks}) == 1
    # a request that missed the batch was answered in one of another size, which adds in another order
    assert [mask.predicted_iou for mask in masks] == pytest.approx([masks[0].predicted_iou] * 4, abs=1e-6)


def test_no_prompts_give_no_masks(triton: triton_grpc.InferenceServerClient) -> None:
    reply = ask(triton, SegmentRequest(bright_square(50, 40), PromptsParameters()))
    assert reply.masks == ()
    assert reply.report.error_code is None
    assert (reply.report.width, reply.report.height) == (50, 40)
    assert reply.report.stages["encode"].batch_ms == 0


def test_segevery_runs_on_one_pixel(triton: triton_grpc.InferenceServerClient) -> None:
    reply = ask(
        triton, SegmentRequest(bright_square(1, 1), EverythingParameters(points_per_side=2, pred_iou_thresh=0.0))
    )
    assert reply.report.error_code is None
    assert all(mask.size == (1, 1) for mask in reply.masks)


def test_the_report_has_times_hardware_and_device(triton: triton_grpc.InferenceServerClient) -> None:
    request = SegmentRequest(bright_square(96, 96), EverythingParameters(points_per_side=2))
    ask(triton, request)
    report = ask(triton, request).report
    assert set(report.stages) == {"preprocess", "encode", "decode", "postprocess"}
    assert all(stage.batch_ms >= stage.amortised_ms > 0 for stage in report.stages.values())
    assert not report.warmup
    assert report.clock == "host"
    assert report.execute_ms >= report.stages["decode"].batch_ms
    assert report.peak_memory_bytes > 0
    assert report.hardware["device_kind"] == "cpu"
    assert report.hardware["threads"] == 2
    assert report.hardware["triton"] == triton.get_server_metadata().version
    assert report.device is not None
    assert report.device.id == "cpu"
    assert 0 < (report.device.memory_used_bytes or 0) < (report.device.memory_total_bytes or 0)
    assert report.energy_j is None


def test_an_invalid_task_is_a_reply_and_broken_tensors_are_an_error(
    triton: triton_grpc.InferenceServerClient,
) -> None:
    arrays = pack_requests([SegmentRequest(bright_square(20, 20), PromptsParameters())])
    arrays["TASK"] = np.array([[b'{"kind": "everything", "points_per_side": 0}']], dtype=np.object_)
    reply = infer(triton, arrays)
    assert reply.report.error_code == "task_invalid"
    arrays["TASK"] = np.array([[b"not json"]], dtype=np.object_)
    with pytest.raises(triton_grpc.InferenceServerException, match="wire_mismatch"):
        infer(triton, arrays)
    arrays = pack_requests([SegmentRequest(bright_square(20, 20), PromptsParameters(), (square_prompt(20, 20),))])
    arrays["PROMPTS"][0, 0] = arrays["PROMPTS"][0, 0][:-1]
    with pytest.raises(triton_grpc.InferenceServerException, match="wire_mismatch"):
        infer(triton, arrays)


def given(name: str, datatype: str, array: NDArray[Any]) -> triton_grpc.InferInput:
    tensor = triton_grpc.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def test_tensors_of_another_release_are_no_fault_of_the_image(triton: triton_grpc.InferenceServerClient) -> None:
    image = given("IMAGE", "BYTES", np.array([[b"x"]], dtype=np.object_))
    pixels = given("IMAGE", "UINT8", np.zeros((1, 5), dtype=np.uint8))
    rest = [given(name, "BYTES", np.array([[b""]], dtype=np.object_)) for name in ("PROMPTS", "TASK")]
    more = given("PROMPT_BOXES", "FP32", np.zeros((1, 4), dtype=np.float32))
    for inputs in ([image], [pixels, *rest], [image, *rest, more], [image, rest[0], more]):
        with pytest.raises(triton_grpc.InferenceServerException) as refused:
            triton.infer(MODEL, inputs, client_timeout=60)
        assert isinstance(from_triton(refused.value, "triton:8001"), WireMismatch), refused.value


def test_missing_and_changed_weights_are_named(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    with (
        running_triton(tmp_path, weights, models=[]) as command,
        connect(command.address, None) as client,
    ):
        with pytest.raises(triton_grpc.InferenceServerException, match=r"checkpoint_missing.*variants pull mobile_sam"):
            client.load_model(MODEL)
        (weights / "mobile_sam.pt").write_bytes(b"not the published file")
        with pytest.raises(triton_grpc.InferenceServerException, match="checkpoint_hash_mismatch"):
            client.load_model(MODEL)
        assert client.is_server_live()


def test_restricted_weights_are_not_loaded_before_their_licence_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with (
        running_triton(tmp_path, tmp_path / "weights", models=[]) as command,
        connect(command.address, None) as client,
        pytest.raises(triton_grpc.InferenceServerException, match=r"licence_not_accepted.*ACCEPT_LICENSES=S-Lab-1\.0"),
    ):
        client.load_model("edgesam")


def test_a_coarse_factor_of_one_equals_the_grid(triton: triton_grpc.InferenceServerClient) -> None:
    grid = EverythingParameters(points_per_side=6)
    whole = replace(grid, sampler="hierarchical", hierarchical_coarse_factor=1)
    picture = bright_square(120, 90)
    expected, found = (ask(triton, SegmentRequest(picture, task)) for task in (grid, whole))
    assert expected.masks
    assert found.masks == expected.masks
    assert expected.report.prompts_decoded == found.report.prompts_decoded == 36


def test_a_confident_mask_saves_prompts(triton: triton_grpc.InferenceServerClient) -> None:
    task = EverythingParameters(points_per_side=8, sampler="hierarchical", hierarchical_coarse_factor=2)
    reply = ask(triton, SegmentRequest(bright_square(160, 160), task))
    square = 2 * (160 // 4)
    assert any(mask.area == pytest.approx(square**2, rel=0.1) for mask in reply.masks)
    assert 16 <= reply.report.prompts_decoded < 16 + 64


@pytest.mark.heavy
def test_masks_beside_a_box_give_those_of_a_local_engine(
    triton: triton_grpc.InferenceServerClient, mobile_sam: Engine
) -> None:
    """The local engine is compared with the predictor of transformers in `tests/parity/test_folded_decoder.py`."""
    width, height = 160, 120
    box = square_prompt(width, height)
    sides = np.zeros((2, height, width), np.bool_)
    sides[0, 30:90, 50:80] = sides[1, 30:90, 80:110] = True  # halves of the bright square
    masked = [PromptMask((height, width), encode_mask(side)) for side in sides]
    prompts = (box, *(replace(box, mask=mask) for mask in masked), Prompt(mask=masked[0]))
    request = SegmentRequest(bright_square(width, height), PromptsParameters(), prompts)
    served, (_, local) = ask(triton, request), *mobile_sam.segment([request])
    assert served.report.error_code is local.report.error_code is None
    assert [mask.prompt_index for mask in served.masks] == [0, 1, 2, 3]
    for one, other in zip(served.masks, local.masks, strict=True):
        assert pixel_ious([one.to_dict()["segmentation"]], [other.to_dict()["segmentation"]])[0, 0] >= LEAST_IOU
        assert abs(one.predicted_iou - other.predicted_iou) < 1e-3
    assert len({round(mask.predicted_iou, 4) for mask in served.masks}) == 4  # each mask prompt has an effect


def test_segevery_segments_given_boxes(triton: triton_grpc.InferenceServerClient) -> None:
    boxes = (square_prompt(160, 120), square_prompt(80, 60))
    task = EverythingParameters(sampler="object_aware")
    reply = ask(triton, SegmentRequest(bright_square(160, 120), task, boxes))
    assert [mask.prompt_index for mask in reply.masks] == [0, 1]
    assert reply.masks[0].area == pytest.approx((2 * (120 // 4)) ** 2, rel=0.15)
    assert reply.report.prompts_decoded == 2
    nothing = ask(triton, SegmentRequest(bright_square(160, 120), task))
    assert (nothing.masks, nothing.report.error_code, nothing.report.prompts_decoded) == ((), None, 0)


def test_a_precision_without_its_gate_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    weights = weights_dir()
    with (
        running_triton(tmp_path, weights, models=[], execution="mobile_sam=bf16", gates=tmp_path) as command,
        connect(command.address, None) as client,
    ):
        refused = r"precision_not_gated: .*run `samfleet variants gate mobile_sam --precision bf16` on this machine"
        with pytest.raises(triton_grpc.InferenceServerException, match=refused):
            client.load_model(MODEL)
    with (
        running_triton(tmp_path, weights, models=[], execution="int4") as command,
        connect(command.address, None) as client,
        pytest.raises(triton_grpc.InferenceServerException, match="execution_invalid: precision 'int4'"),
    ):
        client.load_model(MODEL)


def passed_gate(execution: Execution) -> Gate:
    record, hardware = get_variant(MODEL), fingerprint(torch.device("cpu"), execution=execution)
    return gate(gate_subject(record, execution, hardware, str(record.checkpoint.sha256)))


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_compiled_variant_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub runs in the C locale, in which torch's compiler could not read its templates."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))  # no earlier compilation
    monkeypatch.setenv("LC_ALL", "C")
    write_gate(tmp_path / "gates", passed_gate(Execution("fp32", "compile")))
    with (
        running_triton(
            tmp_path,
            weights_dir(),
            [MODEL],
            execution=f"{MODEL}=fp32+compile",
            gates=tmp_path / "gates",
            ready_seconds=800,
        ) as command,
        connect(command.address, None) as client,
    ):
        reply = ask(client, SegmentRequest(bright_square(96, 64), PromptsParameters(), (square_prompt(96, 64),)))
    assert (reply.report.execution, len(reply.masks)) == ("fp32+compile", 1)


def test_a_precision_with_its_gate_is_served_and_reported(tmp_path: Path) -> None:
    passed = passed_gate(Execution("bf16"))
    write_gate(tmp_path / "gates", passed)
    with (
        running_triton(tmp_path, weights_dir(), [MODEL], execution="bf16", gates=tmp_path / "gates") as command,
        connect(command.address, None) as client,
    ):
        reply = ask(client, SegmentRequest(bright_square(96, 64), PromptsParameters(), (square_prompt(96, 64),)))
    report = reply.report
    assert (report.execution, report.hardware["precision"], report.gate) == ("bf16", "bf16", passed.summary())
    assert len(reply.masks) == 1
    assert f"{MODEL} serves in bf16 on" in (tmp_path / "triton.log").read_text()
