from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fixtures.images.encoded_images import encoded, gradient
from fixtures.models.stand_in_gpu import StandInGpu
from fixtures.models.tiny_families import SIDE, tiny_variant_of
from samfleet.limits import MAX_PROMPTS_PER_IMAGE
from samfleet.masks.rle import decode_mask
from samfleet.variants.budget import PromptsTooMany, check_request, check_task
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.device import memory
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.images.decode import read_image
from samfleet_models.modeling.squeeze_sam.prompt_planes import prompt_planes
from samfleet_models.networks.squeeze.network import SqueezeNetwork
from samfleet_models.serving.engine import Engine, EngineSettings

BOX = Prompt(box=(5.0, 5.0, 60.0, 50.0))
IMAGE = encoded(gradient(90, 60))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(*tiny_variant_of("squeezesam", tmp_path_factory.mktemp("squeeze")), EngineSettings(device="cpu"))
    yield engine
    engine.close()


def ask(engine: Engine, request: SegmentRequest) -> SegmentReply:
    ((_, reply),) = engine.segment([request])
    return reply


def test_a_prompt_s_mask_is_the_best_of_the_three_that_the_network_returns(engine: Engine) -> None:
    (mask,) = ask(engine, SegmentRequest(IMAGE, PromptsParameters(), (BOX,))).masks
    network = engine.network
    assert isinstance(network, SqueezeNetwork)
    pixels = network.processor.network_input([network.processor.resize(read_image(IMAGE))], torch.device("cpu"))
    corners = torch.tensor([[[5.0, 5.0], [60.0, 50.0]]]) * torch.tensor([SIDE / 90, SIDE / 60])
    planes = prompt_planes(corners, torch.tensor([[2, 3]]), SIDE)
    with torch.inference_mode():
        logits, ious = network.network(torch.cat([pixels, planes], 1))
    best = int(ious[0, 1:].argmax()) + 1
    assert mask.predicted_iou == pytest.approx(float(ious[0, best]), abs=1e-5)
    large = torch.nn.functional.interpolate(logits[:, best, None], (60, 90), mode="bicubic", align_corners=False)
    assert np.count_nonzero(decode_mask(mask.counts, mask.size) != (large[0, 0] > 0).numpy()) <= 2


def test_every_prompt_counts_as_the_work_that_it_is() -> None:
    record = get_variant("squeezesam")
    cost = record.conventions.prompts.cost
    check_task(record.everything, MAX_PROMPTS_PER_IMAGE, cost)
    with pytest.raises(PromptsTooMany, match=r"1024 prompts .*, each of which counts as 64 with this variant, and"):
        check_task(EverythingParameters(points_per_side=32), MAX_PROMPTS_PER_IMAGE, cost)
    check_request(PromptsParameters(), [BOX], cost, cost)
    with pytest.raises(PromptsTooMany):
        check_request(PromptsParameters(), [BOX], cost - 1, cost)


def test_the_engine_refuses_a_grid_whose_forwards_exceed_the_limit(engine: Engine) -> None:
    task = replace(engine.record.everything, points_per_side=32)
    report = ask(engine, SegmentRequest(IMAGE, task)).report
    assert report.error_code == "prompts_too_many"


def test_the_network_runs_in_decode_and_once_per_prompt(engine: Engine) -> None:
    reply = ask(engine, SegmentRequest(IMAGE, replace(engine.record.everything, points_per_side=3)))
    assert reply.report.prompts_decoded == 9
    assert reply.report.stages["encode"].amortised_ms == 0
    assert reply.report.stages["decode"].amortised_ms > 0


def test_a_gpu_gets_as_many_prompts_as_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StandInGpu():
        engine = Engine(*tiny_variant_of("squeezesam", tmp_path), EngineSettings(device="cuda"), HostMeter())
        network = engine.network
        assert isinstance(network, SqueezeNetwork)
        for free, most in ((10**12, 64), (40 * network.prompt_bytes, 8), (0, 1)):
            monkeypatch.setattr(memory, "free_gpu_bytes", lambda _device, free=free: free)
            assert network.prompts_per_pass() == most
        assert network.prompts_per_pass(asked=1000) == 64
        engine.close()


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Adds up the bytes of all tensors that exist at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.live = self.peak = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        found = function(*arguments, **(options or {}))
        for tensor in found if isinstance(found, tuple | list) else (found,):
            storage = tensor.untyped_storage()
            if not getattr(storage, "counted", False):
                storage.counted = True
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self._drop, storage.nbytes())
        return found

    def _drop(self, size: int) -> None:
        self.live -= size


def test_the_estimate_of_a_prompt_s_memory_holds() -> None:
    with torch.device("meta"):
        network = SqueezeNetwork(get_variant("squeezesam")).eval()
        with torch.inference_mode(), LiveBytes() as counted:
            network.network(torch.zeros(2, 5, 512, 512))
    assert 0.8 * network.prompt_bytes < counted.peak / 2 <= network.prompt_bytes
