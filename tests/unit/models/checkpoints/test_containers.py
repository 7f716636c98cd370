"""Container formats of published checkpoints."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.safetensors_files import safetensors
from samfleet_models.checkpoints.containers import read_state_file, safetensors_bytes
from samfleet_models.checkpoints.loading import CheckpointUnreadable, read_state

STATE = {
    "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "count": torch.tensor(7),
}


def same(found: dict[str, Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_safetensors_are_read_under_any_file_name(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(safetensors(STATE))
    assert same(read_state(path))


def test_torch_files_are_read_under_any_file_name(tmp_path: Path) -> None:
    """torch recognises files by this suffix; weights from a user are copied under the published file's name."""
    path = tmp_path / "model.safetensors"
    torch.save(STATE, path)
    assert same(read_state(path))


def test_a_zipped_checkpoint_is_read_in_place(tmp_path: Path) -> None:
    torch.save({"model": STATE}, tmp_path / "inner.pt")
    path = tmp_path / "inner.pt.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "inner.pt", "weights/inner.pt")
        archive.writestr("__MACOSX/weights/._inner.pt", b"resource fork")
    assert same(read_state(path, "model"))
    assert same(read_state(tmp_path / "inner.pt", "model"))


@pytest.mark.parametrize("missing", [1, 20, 100])
def test_a_truncated_file_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(safetensors(STATE)[:-missing])
    with pytest.raises(CheckpointUnreadable, match=r"cut\.safetensors"):
        read_state(path)


def test_offsets_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "strange.safetensors"
    text = json.dumps({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8000]}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CheckpointUnreadable, match=r"strange\.safetensors"):
        read_state(path)


def test_written_safetensors_read_back_with_their_types(tmp_path: Path) -> None:
    state = {
        "weight": torch.arange(6.0).reshape(2, 3),
        "half": torch.tensor([1.5], dtype=torch.float16),
        "count": torch.tensor(7),
    }
    path = tmp_path / "some.safetensors"
    path.write_bytes(safetensors_bytes(state, {"origin": "here"}))
    found = read_state_file(path)
    assert isinstance(found, dict)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) and found[key].dtype == value.dtype for key, value in state.items())
