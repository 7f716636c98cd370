"""PicoSAM in an engine, with random weights under its published names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.images.encoded_images import bright_square
from fixtures.models.random_parameters import randomised
from reference.plain_regions import mask_slowly, square_slowly
from samfleet.masks.rle import decode_mask
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.checkpoints.loading import file_sha256
from samfleet_models.images.decode import read_image
from samfleet_models.networks.pico.network import RegionCompilationUnsupported, RegionNetwork
from samfleet_models.networks.registry import network_of
from samfleet_models.serving.engine import Engine, EngineSettings

WIDTH, HEIGHT = 120, 90
BOXES = ((30.0, 20.0, 90.0, 70.0), (0.0, 0.0, 15.0, 40.0), (300.0, 10.0, 340.0, 30.0), (60.0, 0.0, 120.0, 90.0))
PROMPTS = tuple(Prompt(box=box) for box in BOXES)


def written(name: str, folder: Path) -> tuple[VariantRecord, Path]:
    """Return a record of full size and its file with random weights."""
    network = RegionNetwork(get_variant(name)).network
    randomised(network)
    path = folder / f"{name}.pt"
    torch.save(network.state_dict(), path)
    official = get_variant(name)
    checkpoint = replace(official.checkpoint, filename=path.name, sha256=file_sha256(path))
    return replace(official, checkpoint=checkpoint), path


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(*written("picosam3", tmp_path_factory.mktemp("pico")), EngineSettings(device="cpu"))
    yield engine
    engine.close()


def segment(engine: Engine, *requests: SegmentRequest) -> list[SegmentReply]:
    replies = dict(engine.segment(requests))
    return [replies[position] for position in range(len(requests))]


def test_networks_have_the_published_parameters() -> None:
    """LibreYOLO's card of PicoSAM3 counts 1,371,418 parameters (huggingface.co/LibreYOLO/LibrePicoSAM3)."""
    network = RegionNetwork(get_variant("picosam3"))
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_371_418
    keys = {*network.network.state_dict(), *RegionNetwork(get_variant("picosam2")).network.state_dict()}
    assert {"encoder_stage1.0.weight", "down4.weight", "bottleneck.0.0.weight", "up1.1.3.weight", "skip_conn4.bias",
            "eca.conv1x1.weight", "refine.3.bias", "output_head.weight"} <= keys  # fmt: skip


def test_masks_of_boxes_are_those_of_the_plain_loops(engine: Engine) -> None:
    file = bright_square(WIDTH, HEIGHT)
    (reply,) = segment(engine, SegmentRequest(file, PromptsParameters(), PROMPTS))
    assert reply.report.error_code is None
    assert [mask.prompt_index for mask in reply.masks] == [0, 1, 2, 3]
    network = engine.network
    assert isinstance(network, RegionNetwork)
    image = read_image(file)
    for mask, box in zip(reply.masks, BOXES, strict=True):
        expected = mask_slowly(image, square_slowly(box, WIDTH, HEIGHT), lambda part: network.logits([part])[0].numpy())
        found = decode_mask(mask.counts, (HEIGHT, WIDTH))
        assert (found != expected).sum() <= 2
        assert mask.area == found.sum()
        assert 0 <= mask.stability_score <= 1
        assert (0.5 < mask.predicted_iou <= 1) == bool(found.any())
    assert reply.masks[0].area > 0
    assert reply.masks[2].area == 0  # outside of the image


def test_boxes_of_a_dataset_are_segmented_in_batches(engine: Engine) -> None:
    task = EverythingParameters(sampler="object_aware", boxes_from="annotations")
    many = SegmentRequest(bright_square(WIDTH, HEIGHT), task, PROMPTS * 5)
    few, none = (SegmentRequest(bright_square(WIDTH, HEIGHT), task, prompts) for prompts in (PROMPTS, ()))
    replies = segment(engine, many, few, none)
    assert [len(reply.masks) for reply in replies] == [20, 4, 0]
    for row, mask in enumerate(replies[0].masks):
        assert mask.counts == replies[1].masks[row % 4].counts


@pytest.mark.parametrize(
    ("task", "prompts", "code", "words"),
    [
        (PromptsParameters(), (Prompt(points=((5.0, 5.0),), labels=(1,)),), "prompt_unsupported", "use boxes"),
        (
            PromptsParameters(),
            (Prompt(points=((5.0, 5.0),), labels=(1,), box=BOXES[0]),),
            "prompt_unsupported",
            "takes no points",
        ),
        (EverythingParameters(), (), "task_invalid", "its samplers are object_aware"),
        (EverythingParameters(sampler="adaptive"), (), "task_invalid", "its samplers are object_aware"),
    ],
)
def test_everything_but_boxes_is_refused(
    engine: Engine, task: EverythingParameters | PromptsParameters, prompts: tuple[Prompt, ...], code: str, words: str
) -> None:
    (reply,) = segment(engine, SegmentRequest(bright_square(WIDTH, HEIGHT), task, prompts))
    assert (reply.masks, reply.report.error_code) == ((), code)
    assert words in str(reply.report.error_message)


def test_both_designs_load_and_differ(tmp_path: Path) -> None:
    record, path = written("picosam2", tmp_path)
    engine = Engine(record, path, EngineSettings(device="cpu"))
    (reply,) = segment(engine, SegmentRequest(bright_square(WIDTH, HEIGHT), PromptsParameters(), PROMPTS[:1]))
    engine.close()
    assert reply.report.error_code is None
    x, y, width, height = reply.masks[0].bbox
    assert x >= 12  # the window around the middle of the box, 96 pixels wide
    assert x + width < 108
    assert y + height < 90


def test_compilation_is_refused() -> None:
    network = network_of(get_variant("picosam3"), Execution.parse("fp32+compile"))
    with pytest.raises(RegionCompilationUnsupported, match="serve it without compilation"):
        network.warm_up()


def test_pixels_are_normalised_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    network = RegionNetwork(get_variant("picosam2")).eval()

    def run(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels)
        return pixels

    monkeypatch.setattr(network, "_running", run)
    network.logits([np.full((96, 96, 3), 255, np.uint8)])
    expected = (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(seen[0][0, :, 5, 7].numpy(), expected, atol=1e-5)
