from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.models.onnx_pairs import unknown_again, write_decoder, write_encoder
from fixtures.models.weight_archives import sha256
from samfleet.variants.catalogue import VariantNameTaken, add_variants, add_variants_of, get_variant
from samfleet.variants.conventions import MaskRules
from samfleet.variants.graphs import DIALECTS, DecoderGraph, EncoderGraph
from samfleet.variants.record import FileSource, HttpsSource
from samfleet.variants.user_records import VariantFileInvalid, read_variant, read_variants

Fields = dict[str, Any]
WriteFile = Callable[[Fields], Path]


@pytest.fixture
def fields(tmp_path: Path) -> Fields:
    write_encoder(tmp_path / "encoder.onnx", DIALECTS["sam"])
    write_decoder(tmp_path / "decoder.onnx", DIALECTS["sam"])
    return {
        "dialect": "sam",
        "encoder": {"file": "encoder.onnx", "sha256": sha256((tmp_path / "encoder.onnx").read_bytes())},
        "decoder": {"url": "https://models.example.org/v1/decoder.onnx", "sha256": "d" * 64},
    }


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write(fields: Fields) -> Path:
        path = tmp_path / "my_pair.yaml"
        path.write_text(yaml.safe_dump(fields))
        return path

    return write


def test_a_minimal_record_describes_a_pair(fields: Fields, write: WriteFile, tmp_path: Path) -> None:
    record = read_variant(write(fields))
    assert (record.name, record.title, record.family, record.input_size) == ("my_pair", "my_pair", "onnx", 1024)
    assert record.checkpoint.filename == "my_pair.encoder.onnx"
    assert record.checkpoint.sources == (FileSource(tmp_path / "encoder.onnx"),)
    decoder = record.companions["decoder"]
    assert (decoder.filename, decoder.sha256) == ("my_pair.decoder.onnx", "d" * 64)
    assert decoder.sources == (HttpsSource("https://models.example.org/v1/decoder.onnx"),)
    assert record.architecture == {"encoder": DIALECTS["sam"].encoder, "decoder": DIALECTS["sam"].decoder}
    assert record.parity == "unverified"


def test_a_record_may_have_all_fields(fields: Fields, write: WriteFile) -> None:
    fields["encoder"] |= {"image": "pixels", "features": ["embedding"], "layout": "hwc", "size_bytes": 12}
    fields["decoder"] |= {"features": ["embedding"], "mask_count": 3, "has_mask_prompt": None, "prompts_per_run": 2}
    fields |= {
        "title": "My pair",
        "input_size": 512,
        "code_licence": "MIT",
        "weights_licence": "Apache-2.0",
        "repository": "https://example.org",
        "paper": {"title": "Mine", "arxiv": "2601.00001"},
        "preprocessing": {"resize": "stretch", "mean": [0, 0, 0], "std": [255.0, 255.0, 255.0]},
        "prompts": {"frame_size": 1024, "negative_points": False, "most_points": 6},
        "masks": {"upsampling": "direct", "ranked_by": "stability"},
        "everything": {"points_per_side": 16, "points_per_batch": "auto", "pred_iou_thresh": 1},
    }
    record = read_variant(write(fields))
    assert record.architecture["encoder"] == EncoderGraph("pixels", ("embedding",), "hwc")
    decoder = record.architecture["decoder"]
    assert isinstance(decoder, DecoderGraph)
    assert (decoder.mask_count, decoder.mask_prompt, decoder.has_mask_prompt) == (3, "mask_input", None)
    assert record.checkpoint.size_bytes == 12
    assert record.frame_size == 1024
    assert record.conventions.preprocessing.std == (255.0, 255.0, 255.0)
    assert record.conventions.masks == MaskRules("direct", single="best", ranked_by="stability")
    assert record.everything.points_per_side == 16


def test_a_dialect_names_the_prompts_that_its_graphs_take(fields: Fields, write: WriteFile) -> None:
    record = read_variant(write(fields | {"dialect": "transformers_sam"}))
    assert record.architecture["decoder"] == DIALECTS["transformers_sam"].decoder
    assert (record.conventions.prompts.layout, record.conventions.prompts.boxes) == ("unpadded", False)
    assert record.conventions.samplers == ("grid", "hierarchical", "adaptive", "salient")
    both = read_variant(write(fields | {"dialect": "transformers_sam", "prompts": {"boxes": True}}))
    assert (both.conventions.prompts.layout, both.conventions.samplers[-1]) == ("unpadded", "object_aware")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("dialect", None, "variant.dialect is missing; write one of sam, sam2, edgesam, efficientvit, trans"),
        ("dialect", "mine", "variant.dialect is mine; write one of"),
        ("encoder", None, "encoder is missing; write its fields below it"),
        ("encoder", "a.onnx", "encoder is 'a.onnx'; write its fields below it, each as `name: value`"),
        ("encoder.file", None, "encoder has 0 of file and url; write one of them"),
        ("encoder.url", "https://x.org/a.onnx", "encoder has 2 of file and url"),
        ("encoder.file", "encoder.pt", "encoder is a .pt file; use one with a name that ends in .onnx or .ort"),
        ("encoder.sha256", None, "encoder.sha256 is missing; write sha256: {sha256}"),
        ("encoder.sha256", "12", "encoder.sha256 is 12; write sha256: {sha256}"),
        ("encoder.layout", "chw", "encoder.layout is 'chw'; write nchw, nhwc or hwc"),
        ("encoder.features", ["a", "b"], "encoder.features has 2 names and decoder.features 1"),
        ("encoder.features", "a", "encoder.features is 'a'; write a list in which each item is a string"),
        ("encoder.imge", "x", "encoder.imge is not a field; the fields are image, features, layout"),
        ("encoder.size_bytes", "big", "encoder.size_bytes is 'big'; write a whole number or null"),
        ("decoder.url", "ftp://x.org/a.onnx", "decoder.url is ftp://x.org/a.onnx; write an address that begins with"),
        ("decoder.sha256", None, "decoder.sha256 is missing; write the output of `sha256sum` for the file"),
        ("decoder.mask_count", 2, "decoder.mask_count is 2; write 1, 3 or 4"),
        ("decoder.coords", 5, r"decoder.coords is 5; write a string \(in quotes\)"),
        ("input_size", 3, "variant.input_size is 3; write the side of the encoder's input in pixels"),
        ("input_size", "1024", "variant.input_size is '1024'; write a whole number"),
        ("weights_licence", "CC-BY-4.0", "weights_licence has CC-BY-4.0; write AGPL-3.0, .* LicenseRef-own means"),
        ("prompts", {"masks": True}, "prompts.masks is true, but this decoder gets no masks; leave it out"),
        ("colour", "red", "variant.colour is not a field; the fields are title, dialect"),
        (
            "preprocessing",
            {"mean": [1, 2]},
            r"preprocessing.mean is \[1, 2\]; write a list of 3 items, each a num",
        ),
        ("prompts", {"boxes": 1}, "prompts.boxes is 1; write true or false"),
        ("masks", {"upsampling": "up"}, "masks.upsampling is 'up'; write through_frame, direct,"),
        ("everything", {"points_per_side": 0}, "points_per_side"),
    ],
)
def test_a_wrong_field_is_named_with_the_expected_value(
    fields: Fields, write: WriteFile, path: str, value: object, message: str
) -> None:
    section, dot, name = path.partition(".")
    wanted = message.format(sha256=fields["encoder"]["sha256"]) if "{" in message else message
    target, key = (fields[section], name) if dot else (fields, section)
    if value is None:
        del target[key]
    else:
        target[key] = value
    with pytest.raises(VariantFileInvalid, match=wanted) as raised:
        read_variant(write(fields))
    assert "my_pair.yaml: " in raised.value.message


@pytest.mark.parametrize("content", ["a: [", "- a list", "", "\x00"])
def test_files_other_than_a_yaml_table_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(VariantFileInvalid, match=r"broken\.yaml"):
        read_variant(path)


def test_names_come_from_the_file_names(fields: Fields, write: WriteFile, tmp_path: Path) -> None:
    write(fields).rename(tmp_path / "My Pair.yaml")
    with pytest.raises(VariantFileInvalid, match="the file's name is the name of the variant; use a to z"):
        read_variants(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VariantFileInvalid, match="SAMFLEET_VARIANTS_DIR"):
        read_variants(tmp_path / "nowhere")


def test_user_records_join_the_catalogue(
    fields: Fields, write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown_again(monkeypatch, "my_pair")
    write(fields)
    add_variants_of(tmp_path)
    add_variants_of(tmp_path)
    add_variants_of(None)
    assert get_variant("my_pair").checkpoint.filename == "my_pair.encoder.onnx"


def test_a_name_that_is_taken_is_refused(
    fields: Fields, write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(fields).rename(tmp_path / "mobile_sam.yaml")
    with pytest.raises(VariantNameTaken, match=r"give the file mobile_sam\.yaml another name"):
        add_variants(read_variants(tmp_path))
    assert get_variant("mobile_sam").family == "tiny_vit"
