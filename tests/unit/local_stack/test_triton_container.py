"""The command line that runs Triton in a container, and the choice of its engine."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from samfleet.config import Settings
from samfleet_cli.local_stack import triton_container
from samfleet_cli.local_stack.container_engine import (
    ContainerEngineMissing,
    Engine,
    TritonImageMissing,
    find_engines,
    record_container,
    remove_recorded,
    require_engine,
)
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import PartSpec
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.stack import prepare_start
from samfleet_cli.local_stack.triton_container import Mount, chosen_engine, part

IMAGE = "samfleet-triton-gpu:test"
PORTS = {"triton_grpc": 18001, "triton_metrics": 18002}
DOCKER = Engine("docker", Path("/usr/bin/docker"), "28.2.2", has_image=True)
PODMAN = Engine("podman", Path("/usr/bin/podman"), "4.3.1", has_image=True)


def _which(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


def _engines(answers: dict[str, str], *, installed: Sequence[str] = ("docker", "podman")) -> list[Engine]:
    """Find engines; `answers` has the reply of each program and, as `PROGRAM image`, to its query for the image."""

    def run(argv: Sequence[str]) -> str | None:
        program = Path(argv[0]).name
        return answers.get(f"{program} image" if argv[1] == "image" else program)

    return find_engines(IMAGE, run, _which(*installed))


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({}, []),
        ({"docker": "28.2.2"}, [("docker", False)]),
        ({"docker": "28.2.2", "podman": "4.3.1", "podman image": "sha256:1"}, [("podman", True), ("docker", False)]),
        (
            {"docker": "28", "docker image": "1", "podman": "4", "podman image": "1"},
            [("docker", True), ("podman", True)],
        ),
        ({"docker image": "sha256:1"}, []),  # its server does not respond
    ],
)
def test_engines_that_respond_are_found_and_the_image_decides(
    answers: dict[str, str], wanted: list[tuple[str, bool]]
) -> None:
    assert [(engine.name, engine.has_image) for engine in _engines(answers)] == wanted


def test_a_container_needs_an_engine_and_the_image() -> None:
    with pytest.raises(ContainerEngineMissing, match="SAMFLEET_TRITON=embedded"):
        require_engine([], IMAGE)
    with pytest.raises(TritonImageMissing, match=f"docker build --tag {IMAGE} --file deploy/triton-gpu.Dockerfile"):
        require_engine(_engines({"docker": "28.2.2"}), IMAGE)
    assert require_engine([PODMAN], IMAGE) is PODMAN


@pytest.mark.parametrize(
    ("triton", "found", "wanted"),
    [
        ("embedded", [DOCKER], None),
        ("auto", [DOCKER], DOCKER),
        ("auto", [], None),
        ("auto", [Engine("docker", Path("/usr/bin/docker"), "28.2.2")], None),
        ("container", [PODMAN], PODMAN),
    ],
)
def test_the_setting_chooses(
    monkeypatch: pytest.MonkeyPatch, triton: str, found: list[Engine], wanted: Engine | None
) -> None:
    monkeypatch.setattr(triton_container, "find_engines", lambda _image: found)

    assert chosen_engine(StackSettings.model_validate({"triton": triton})) == wanted


def _part(tmp_path: Path, engine: Engine = DOCKER, **stack: object) -> PartSpec:
    state_dir = StateDir(tmp_path / "state")
    state_dir.create()
    settings = StackSettings.model_validate({"state_dir": state_dir.root, "triton_image": IMAGE, **stack})
    return part(engine, state_dir, Settings(max_batch_size=4), settings, tmp_path / "weights", PORTS)


def _options(spec: PartSpec) -> list[str]:
    return list(spec.argv[spec.argv.index("--") + 1 :])


def test_the_container_is_closed_and_listens_on_the_loopback(tmp_path: Path) -> None:
    options = _options(_part(tmp_path))

    assert options[-1] == IMAGE
    assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"} <= set(options)
    assert [word for word in options if word.startswith("--publish")] == [
        "--publish=127.0.0.1:18001:8001",
        "--publish=127.0.0.1:18002:8002",
    ]
    assert not {"--privileged", "--network=host", "--pid=host", "--ipc=host"} & set(options)


def test_only_the_cache_of_compiled_code_is_writable(tmp_path: Path) -> None:
    mounts = [word for word in _options(_part(tmp_path)) if word.startswith("--mount=")]

    writable = [mount for mount in mounts if not mount.endswith(",readonly")]
    assert [mount.rpartition("target=")[2] for mount in writable] == ["/var/lib/samfleet/compiled"]
    targets = {mount.partition("target=")[2].partition(",")[0] for mount in mounts}
    assert {"/opt/samfleet/repository", "/var/lib/samfleet/weights", "/run/secrets/triton_secret"} <= targets
    repository = next(mount for mount in mounts if "target=/opt/samfleet/repository" in mount)
    folder = Path(repository.partition("source=")[2].partition(",")[0])
    assert "max_batch_size: 4" in (folder / "mobile_sam" / "config.pbtxt").read_text(encoding="utf-8")


def test_paths_with_commas_and_quotes_stay_one_field() -> None:
    mount = str(Mount(Path('/photographs, "new"'), "/weights"))

    (fields,) = csv.reader([mount])
    assert fields == ["type=bind", 'source=/photographs, "new"', "target=/weights", "readonly"]


def test_the_secret_is_in_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    spec = _part(tmp_path)
    path = tmp_path / "state" / "triton_secret"
    secret = path.read_text(encoding="utf-8")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(secret) >= 24
    assert secret not in " ".join(spec.argv)
    assert secret not in " ".join(spec.env.values())
    assert "--env=SAMFLEET_TRITON_SECRET_FILE=/run/secrets/triton_secret" in _options(spec)
    assert _part(tmp_path).argv == spec.argv, "the secret is made once"


def test_settings_of_the_backend_reach_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_MAX_PIXELS", "5")
    monkeypatch.setenv("SAMFLEET_KERNELS", "")

    options = _options(_part(tmp_path, device="cpu", execution="bf16"))

    assert {"--env=SAMFLEET_MAX_PIXELS=5", "--env=SAMFLEET_DEVICE=cpu", "--env=SAMFLEET_EXECUTION=bf16"} <= set(options)
    assert not [word for word in options if word.startswith("--env=SAMFLEET_KERNELS")]


@pytest.mark.parametrize(
    ("engine", "device", "gpu", "wanted"),
    [
        (DOCKER, "auto", None, None),
        (DOCKER, "auto", "NVIDIA L4, 580.1", "--gpus=all"),
        (DOCKER, "cpu", "NVIDIA L4, 580.1", None),
        (PODMAN, "cuda", None, "--device=nvidia.com/gpu=all"),
    ],
)
def test_the_container_gets_the_gpus_unless_the_cpu_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, device: str, gpu: str | None, wanted: str | None
) -> None:
    monkeypatch.setattr(triton_container, "gpu", lambda: gpu)

    options = _options(_part(tmp_path, engine, device=device))

    assert [word for word in options if "gpu" in word and not word.endswith(IMAGE)] == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("engine", "rootless", "wanted"),
    [
        (DOCKER, False, ["--user=1000:1000"]),
        (DOCKER, True, ["--user=0:0"]),  # which is the account outside
        (PODMAN, False, ["--user=1000:1000"]),
        (PODMAN, True, ["--user=1000:1000", "--userns=keep-id"]),
    ],
)
def test_the_container_has_the_rights_of_the_account(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, rootless: bool, wanted: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.getegid", lambda: 1000)
    options = triton_container.run_options(replace(engine, rootless=rootless), PORTS)

    assert [word for word in options if word.startswith("--user")] == wanted


@pytest.mark.parametrize(
    ("facts", "version", "rootless"),
    [
        ({"docker": "28.2.2 [name=seccomp,profile=builtin name=rootless name=cgroupns]"}, "28.2.2", True),
        ({"docker": "28.2.2 [name=apparmor name=seccomp,profile=builtin]"}, "28.2.2", False),
        ({"podman": "4.3.1 rootless=true"}, "4.3.1", True),
        ({"podman": "4.3.1 rootless=false"}, "4.3.1", False),
    ],
)
def test_engines_without_root_are_recognized(facts: dict[str, str], version: str, rootless: bool) -> None:
    (engine,) = _engines(facts)

    assert (engine.version, engine.rootless) == (version, rootless)


def test_a_start_that_cannot_succeed_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_container, "find_engines", lambda _image: [])
    wanted = StackSettings.model_validate({"state_dir": tmp_path / "state", "triton": "container"})

    with pytest.raises(ContainerEngineMissing):
        prepare_start(Settings(), wanted)
    prepare_start(Settings(pools={"elsewhere": ("gpu:8001",)}), wanted)  # needs no container


def test_a_recorded_container_is_removed_once(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    engine = tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    engine.chmod(0o755)
    state_dir = StateDir(tmp_path / "state")
    state_dir.create()
    record_container(state_dir, Engine("docker", engine, "1"), "samfleet-triton-x")
    assert json.loads(state_dir.container_file.read_text(encoding="utf-8"))["name"] == "samfleet-triton-x"

    remove_recorded(state_dir)
    remove_recorded(state_dir)

    assert log.read_text(encoding="utf-8") == "rm --force samfleet-triton-x\n"
