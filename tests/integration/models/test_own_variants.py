"""A user's ONNX pair, from its YAML file to masks from a real Triton."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fixtures.images.encoded_images import bright_square
from fixtures.models.onnx_pairs import SIDE, unknown_again, write_decoder, write_encoder
from fixtures.servers.triton import running_triton
from samfleet.variants.catalogue import VARIANTS, add_variants_of, get_variant
from samfleet.variants.graphs import DIALECTS
from samfleet.variants.task import Prompt, PromptsParameters
from samfleet.variants.weights.pull import pull
from samfleet.variants.weights.verify import file_sha256
from samfleet.wire import model_config
from samfleet.wire.messages import SegmentRequest
from samfleet.wire.tensors import OUTPUTS, unpack_replies
from samfleet_cli.local_stack.own_variants import write_own_repository
from samfleet_cli.main import app
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_worker.triton.client import connect
from samfleet_worker.triton.inputs import tensors_of

START_SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "triton-gpu.sh"
REQUEST = SegmentRequest(bright_square(160, 120), PromptsParameters(), (Prompt(box=(40.0, 20.0, 120.0, 100.0)),))


@pytest.fixture
def variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the file of `my_pair`, which is not registered yet."""
    unknown_again(monkeypatch, "my_pair")
    folder = tmp_path / "variants"
    folder.mkdir()
    paths = {
        "encoder": write_encoder(folder / "encoder.onnx", DIALECTS["sam2"]),
        "decoder": write_decoder(folder / "decoder.onnx", DIALECTS["sam2"], prompts="prompts"),
    }
    files = {name: {"file": path.name, "sha256": file_sha256(path)} for name, path in paths.items()}
    content = {"dialect": "sam2", "input_size": SIDE, "preprocessing": {"resize": "stretch"}, **files}
    (folder / "my_pair.yaml").write_text(yaml.safe_dump({**content, "masks": {"upsampling": "direct"}}))
    return folder


def test_the_engine_segments_with_a_user_variant(variants: Path, tmp_path: Path) -> None:
    add_variants_of(variants)
    record = get_variant("my_pair")
    engine = Engine(record, pull(record, tmp_path / "weights"), EngineSettings(device="cpu"))
    ((_, reply),) = engine.segment([REQUEST])
    engine.close()
    assert reply.report.error_code is None
    assert reply.masks[0].area == pytest.approx(60 * 60, rel=0.15)
    assert reply.masks[0].predicted_iou == pytest.approx(0.9)


def test_the_command_line_pulls_and_lists_a_user_variant(
    variants: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMFLEET_VARIANTS_DIR", str(variants))
    folders = ["--weights-dir", str(tmp_path / "weights"), "--state-dir", str(tmp_path)]
    pulled = CliRunner().invoke(app, ["variants", "pull", "my_pair", *folders[:2]])
    assert pulled.exit_code == 0, pulled.output
    listed = CliRunner().invoke(app, ["variants", "list", "--json", *folders])
    row = next(row for row in json.loads(listed.output) if row["name"] == "my_pair")
    assert row["present"]


def test_triton_serves_a_user_variant(variants: Path, tmp_path: Path) -> None:
    add_variants_of(variants)
    weights = tmp_path / "weights"
    pull(get_variant("my_pair"), weights)
    own = write_own_repository(tmp_path / "models")
    environment = {"SAMFLEET_VARIANTS_DIR": str(variants)}
    with (
        running_triton(tmp_path, weights, ["my_pair"], own_repository=own, extra_env=environment) as command,
        closing(connect(command.address, None)) as client,
    ):
        result = client.infer("my_pair", tensors_of([REQUEST]), client_timeout=60)
    (reply,) = unpack_replies({name: result.as_numpy(name) for name in OUTPUTS})
    assert reply.report.error_code is None
    assert reply.masks[0].area == pytest.approx(60 * 60, rel=0.15)


def test_model_folders_are_written_for_an_external_triton(variants: Path, tmp_path: Path) -> None:
    model_config.main(["--write", str(tmp_path / "models"), "--variants-dir", str(variants)])
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["my_pair"]
    assert 'string_value: "my_pair"' in (tmp_path / "models" / "my_pair" / "config.pbtxt").read_text()


@pytest.mark.parametrize("has_files", [True, False])
def test_the_gpu_container_of_triton_gets_user_variants(variants: Path, tmp_path: Path, *, has_files: bool) -> None:
    """Run the start script of the image with a `tritonserver` that only prints its arguments."""
    if not has_files:
        (variants / "my_pair.yaml").unlink()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "tritonserver").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (programs / "tritonserver").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "SAMFLEET_TRITON_SECRET": "of this server and of its workers",
        "SAMFLEET_VARIANTS": "mobile_sam,my_pair",
        "SAMFLEET_VARIANTS_DIR": str(variants),
    }
    done = subprocess.run(["sh", START_SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60)
    told = done.stdout.splitlines()
    repositories = [Path(word.partition("=")[2]) for word in told if word.startswith("--model-repository=")]
    assert repositories[0] == Path("/opt/samfleet/repository")
    assert [sorted(path.name for path in own.iterdir()) for own in repositories[1:]] == [["my_pair"]] * has_files
    assert {"--load-model=mobile_sam", "--load-model=my_pair", "--model-control-mode=explicit"} <= set(told)


def test_folders_of_removed_variants_are_deleted(variants: Path, tmp_path: Path) -> None:
    add_variants_of(variants)
    assert write_own_repository(tmp_path / "models") == tmp_path / "models"
    del VARIANTS["my_pair"]
    assert write_own_repository(tmp_path / "models") is None
    assert not (tmp_path / "models").exists()
