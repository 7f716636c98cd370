from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samfleet.variants.catalogue import get_variant
from samfleet_models.checkpoints.loading import CheckpointMismatch, CheckpointUnreadable
from samfleet_models.networks.registry import build_network
from samfleet_models.tools.fit import check_fit, main

RECORD = get_variant("mobile_sam")


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "any.pt"
    torch.save(build_network(RECORD).state_dict(), path)
    return path


def test_a_matching_file_fits(fitting: Path) -> None:
    check_fit(RECORD, {"network": fitting})
    assert main(["mobile_sam", f"network={fitting}"]) == 0


def test_a_renamed_key_and_a_wrong_shape_are_named(fitting: Path, tmp_path: Path) -> None:
    state = torch.load(fitting, weights_only=True)
    state["mask_decoder.iou"] = state.pop("mask_decoder.iou_token.weight")
    state["image_encoder.neck.0.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(CheckpointMismatch, match=r"(?s)mask_decoder\.iou.*image_encoder\.neck\.0\.weight"):
        check_fit(RECORD, {"network": tmp_path / "other.pt"})


def test_a_truncated_file_is_refused(fitting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.pt"
    cut.write_bytes(fitting.read_bytes()[:100_000])
    with pytest.raises(CheckpointUnreadable):
        check_fit(RECORD, {"network": cut})
    assert main(["mobile_sam", f"network={cut}"]) == 1
    assert "[checkpoint_unreadable]" in capsys.readouterr().err
