from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from fixtures.models.shared_data import REPOSITORY
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.record import VariantRecord
from samfleet.wire.model_config import main, render_config
from samfleet.wire.tensors import INPUTS, OUTPUTS

MODELS = REPOSITORY / "triton_models" / "repository"


@pytest.mark.parametrize("record", VARIANTS.values(), ids=list(VARIANTS))
def test_the_committed_file_matches_the_record(record: VariantRecord) -> None:
    text = (MODELS / record.name / "config.pbtxt").read_text()
    assert text == render_config(record), "run python -m samfleet.wire.model_config --write triton_models/repository"
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.backend) == (record.name, "sam")
    assert config.max_batch_size == record.max_batch_size
    assert config.parameters["variant"].string_value == record.name
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    assert [(group.count, group.kind) for group in config.instance_group] == [
        (1, model_config_pb2.ModelInstanceGroup.KIND_AUTO)
    ]
    data_type = model_config_pb2.DataType.Name
    assert {tensor.name: (data_type(tensor.data_type), tuple(tensor.dims)) for tensor in config.input} == INPUTS
    assert {tensor.name: (data_type(tensor.data_type), tuple(tensor.dims)) for tensor in config.output} == OUTPUTS


def test_the_repository_contains_exactly_the_variants() -> None:
    assert {path.name for path in MODELS.iterdir()} == set(VARIANTS)
    assert all((MODELS / name / "1").is_dir() for name in VARIANTS)


def test_the_command_writes_every_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--write", str(tmp_path)])
    assert capsys.readouterr().out.split() == [str(tmp_path / name / "config.pbtxt") for name in VARIANTS]
    for name, record in VARIANTS.items():
        assert (tmp_path / name / "config.pbtxt").read_text() == render_config(record)
        assert (tmp_path / name / "1" / ".gitkeep").exists()
