from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from fixtures.models.fixed_variants import add_fixed_variants
from samfleet.paths import asset
from samfleet.variants.catalogue import VARIANTS
from samfleet_cli.local_stack.own_variants import hosted_repository, write_own_repository


def limit_of(repository: Path, name: str) -> int:
    config = text_format.Parse((repository / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (repository / name / "1").is_dir()
    return int(config.max_batch_size)


def test_the_limit_bounds_the_batches_of_all_variants(tmp_path: Path) -> None:
    repository = hosted_repository(tmp_path / "models", 2)
    assert {path.name: limit_of(repository, path.name) for path in repository.iterdir()} == {
        name: min(2, record.max_batch_size) for name, record in VARIANTS.items()
    }


def test_a_limit_above_a_variant_s_own_changes_nothing(tmp_path: Path) -> None:
    ours = asset("triton_models", "repository")
    written = hosted_repository(tmp_path / "models", 1000)
    for name in VARIANTS:
        assert (written / name / "config.pbtxt").read_text() == (ours / name / "config.pbtxt").read_text()


def test_without_a_limit_nothing_is_written(tmp_path: Path) -> None:
    assert hosted_repository(tmp_path / "models", None) == asset("triton_models", "repository")
    assert not (tmp_path / "models").exists()


def test_the_limit_replaces_that_of_the_last_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_fixed_variants(monkeypatch, tmp_path, "still")
    limits = []
    for most in (4, None, 1000):
        own = write_own_repository(tmp_path / "repository", most)
        assert own is not None
        limits.append(limit_of(own, "still"))
    assert limits == [4, 64, 64]
    assert [limit_of(hosted_repository(tmp_path / "hosted", most), "mobile_sam") for most in (4, 1)] == [4, 1]
