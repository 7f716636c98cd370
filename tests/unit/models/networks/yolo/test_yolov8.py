from __future__ import annotations

import pytest
import torch

from fixtures.models.tiny_yolo import tiny_yolo
from samfleet.variants.catalogue import get_record
from samfleet_models.networks.yolo.yolov8 import boxes_of, build_yolo
from samfleet_models.networks.yolo.yolov8_fused import fuse_yolo

CASES = [("fastsam_s", 417, 11_811_475), ("fastsam_x", 657, 71_812_195), ("mobilesamv2_object_aware", 637, 70_028_773)]


@pytest.mark.parametrize(("name", "keys", "numbers"), CASES)
def test_each_size_gives_the_published_network(name: str, keys: int, numbers: int) -> None:
    with torch.device("meta"):
        network = build_yolo(get_record(name).architecture)
    state = network.state_dict()
    assert len(state) == keys
    assert sum(value.numel() for value in state.values() if value.is_floating_point()) == numbers
    assert {"model.0.conv.weight", "model.9.cv2.bn.running_var", "model.22.dfl.conv.weight"} < state.keys()
    assert ("model.22.proto.upsample.bias" in state) == (name != "mobilesamv2_object_aware")


@torch.inference_mode()
@pytest.mark.parametrize("prototypes", [True, False])
def test_the_fused_network_gives_the_same_results(prototypes: bool) -> None:
    network = tiny_yolo(prototypes=prototypes)
    pixels = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    plain, fused = network(pixels), fuse_yolo(network)(pixels)
    assert plain[0].shape == (2, 4 + 1 + 8, 12 * 20 + 6 * 10 + 3 * 5)
    torch.testing.assert_close(fused[0], plain[0], atol=1e-3, rtol=1e-5)
    if prototypes:
        assert plain[1].shape == (2, 8, 24, 40)
        torch.testing.assert_close(fused[1], plain[1], atol=1e-5, rtol=1e-5)
    else:
        assert plain[1] is None
        assert fused[1] is None


@torch.inference_mode()
def test_fusing_does_not_change_the_published_network() -> None:
    network = tiny_yolo()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fuse_yolo(network).to(torch.bfloat16)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_boxes_are_measured_from_the_centres_of_the_cells() -> None:
    distances = torch.zeros(1, 4, 8 + 2 + 2)
    distances[0, :, 5] = torch.tensor([0.5, 1.5, 1.0, 0.0])  # second row, second column of the finest grid
    distances[0, :, 11] = torch.tensor([0.25, 0.25, 0.75, 0.75])  # second column of the coarsest one
    boxes = boxes_of(distances, [torch.Size(shape) for shape in ((2, 4), (1, 2), (1, 2))])
    assert boxes[0, :, 5].tolist() == [(1.0 + 2.5) / 2 * 8, (0.0 + 1.5) / 2 * 8, 1.5 * 8, 1.5 * 8]
    assert boxes[0, :, 11].tolist() == [1.75 * 32, 0.75 * 32, 32, 32]
