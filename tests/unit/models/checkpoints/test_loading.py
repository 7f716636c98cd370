from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixtures.models.tiny_variant import tiny, tiny_variant
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import (
    CheckpointHashMismatch,
    CheckpointMismatch,
    CheckpointMissing,
    CheckpointUnreadable,
    file_sha256,
    load_state,
    load_weights,
    read_state,
)
from samfleet_models.networks.registry import build_network

__all__ = ["tiny"]


def test_a_missing_file_says_how_to_get_it(tiny: tuple[VariantRecord, Path], tmp_path: Path) -> None:
    record, _ = tiny
    with pytest.raises(CheckpointMissing, match="samfleet variants pull tiny"):
        load_weights(build_network(record), record, tmp_path / "absent.pt")


def test_a_changed_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    record, path = tiny_variant(tmp_path)
    path.write_bytes(b"not the published file")
    with pytest.raises(CheckpointHashMismatch, match=record.checkpoint.sha256):
        load_weights(build_network(record), record, path)


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("pwned"),)  # type: ignore[return-value]  # never called


def test_only_tables_of_tensors_are_read(tmp_path: Path) -> None:
    contents = {
        "text": b"hello",
        "code": pickle.dumps({"weight": Malicious()}),
        "empty": b"",
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointUnreadable, match=name):
            read_state(path)
    torch.save({"model": {"weight": torch.zeros(1)}}, tmp_path / "nested")
    with pytest.raises(CheckpointUnreadable, match="flat table"):
        read_state(tmp_path / "nested")


def test_the_table_may_lie_under_a_key_or_at_the_top(tmp_path: Path) -> None:
    table = {"weight": torch.ones(2)}
    torch.save({"model": table, "epoch": 3}, tmp_path / "nested")
    torch.save(table, tmp_path / "flat")
    for name in ("nested", "flat"):
        assert list(read_state(tmp_path / name, "model")) == ["weight"]
    with pytest.raises(CheckpointUnreadable, match="at its top level or under 'state_dict'"):
        read_state(tmp_path / "nested", "state_dict")


def test_all_mismatched_keys_are_named(tiny: tuple[VariantRecord, Path]) -> None:
    record, path = tiny
    state = read_state(path)
    state["surplus"] = state.pop("mask_decoder.iou_token.weight")
    state["image_encoder.head.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointMismatch) as caught:
        load_state(build_network(record), state)
    assert "1 missing: mask_decoder.iou_token.weight" in caught.value.message
    assert "1 unexpected: surplus" in caught.value.message
    assert "image_encoder.head.bias (7,) instead of (1000,)" in caught.value.message


def test_foreign_names_are_translated_and_own_names_are_unchanged(tiny: tuple[VariantRecord, Path]) -> None:
    """Names may be swapped; translating a file with our own names would load it wrongly."""
    record, path = tiny
    state = read_state(path)
    first, second = "mask_decoder.transformer.layers.0.norm1.bias", "mask_decoder.transformer.layers.0.norm2.bias"
    swap = {first: second, second: first, "tied": "mask_decoder.iou_token.weight"}

    def own_key(key: str) -> str:
        return swap.get(key, key.removeprefix("foreign."))

    for foreign, expected in (
        (state, state[first]),
        ({f"foreign.{key}" if key not in swap else key: value for key, value in state.items()}, state[second]),
        ({**{f"foreign.{key}": value for key, value in state.items()}, "tied": state[swap["tied"]]}, state[first]),
    ):
        network = build_network(record)
        load_state(network, foreign, own_key)
        assert torch.equal(network.state_dict()[first], expected)


def test_loaded_weights_are_used_in_all_layers(tiny: tuple[VariantRecord, Path]) -> None:
    """This includes the attention biases, which the official module ignores when they are loaded after eval()."""
    record, path = tiny
    state = read_state(path)
    network = build_network(record)
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    key = "image_encoder.layers.1.blocks.0.attn.attention_biases"
    with torch.inference_mode():
        load_state(network, state)
        before = network.encode(pixels)[0]
        load_state(network, state | {key: torch.linspace(-3, 3, state[key].numel()).reshape(state[key].shape)})
        assert not torch.allclose(before, network.encode(pixels)[0], atol=1e-4)


def test_a_verified_file_loads(tiny: tuple[VariantRecord, Path], tmp_path: Path) -> None:
    record, path = tiny
    network = build_network(record)
    load_weights(network, record, path)
    copy = tmp_path / "copy.pt"
    torch.save(network.state_dict(), copy)
    same = replace(record, checkpoint=replace(record.checkpoint, sha256=file_sha256(copy)))
    load_weights(build_network(same), same, copy)
