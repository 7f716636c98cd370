"""Facts about this machine for `samfleet doctor`, each as a function that tests can replace."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from samfleet_cli.local_stack.container_engine import Engine, find_engines
from samfleet_cli.local_stack.ports import port_is_free
from samfleet_cli.local_stack.preconditions import has_account
from samfleet_cli.local_stack.triton_command import (
    TRITON_OF_WHEEL,
    PythonLibraryMissing,
    TritonNotInstalled,
    find_python_library,
    locate_triton,
)

_PROBE_SECONDS = 20


def python_version() -> tuple[int, int]:
    return sys.version_info[:2]


def python_library() -> Path | None:
    try:
        return find_python_library()
    except PythonLibraryMissing:
        return None


def platform_name() -> str:
    return f"{platform.system()} {platform.machine()}"


def glibc_version() -> tuple[int, ...] | None:
    """Return the glibc version; None for other C libraries (musl)."""
    name, version = platform.libc_ver()
    return tuple(int(number) for number in version.split(".")) if name == "glibc" else None


def package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def free_disk_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def available_memory_bytes() -> int:
    import psutil

    return psutil.virtual_memory().available


def shared_memory_bytes() -> int | None:
    path = Path("/dev/shm")  # noqa: S108 - the kernel's shared memory, which Triton's stub uses
    return shutil.disk_usage(path).free if path.is_dir() else None


def gpu() -> str | None:
    """Return name and driver of the first NVIDIA device; None without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = (program, "--query-gpu=name,driver_version", "--format=csv,noheader")
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.splitlines()[0] if answer.returncode == 0 and answer.stdout.strip() else None


def torch_cuda() -> int | None:
    """Return the CUDA generation of the torch build, read from its files; None without CUDA or without torch."""
    spec = find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if version is None or not version.is_file():
        return None
    found = re.search(r"^cuda\b[^=\n]*= *['\"](\d+)", version.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else None


def nvml() -> str | None:
    """Return the driver's version from NVML, NVIDIA's management library; None if it does not respond."""
    try:
        from samfleet_models.device.meters.pynvml_library import PynvmlLibrary
    except ModuleNotFoundError:  # the check of packages reports this
        return None
    library = PynvmlLibrary()
    if not library.open():
        return None
    version = library.driver()
    library.close()
    return version


def cpu_kernels() -> str | None:
    """Return the instruction set of the CPU kernels that SAMFLEET_KERNELS chooses, or "off"; None if not compiled.

    Raises `KernelsUnavailable` for a choice that cannot be used.
    """
    from samfleet_kernels.library import find, supported

    choice = os.environ.get("SAMFLEET_KERNELS") or "auto"
    kernels = find(choice)
    if kernels is not None:
        return kernels.instructions
    return "off" if choice == "off" or supported() else None


def gpu_kernels() -> str | None:
    """Return the GPU kernels that SAMFLEET_KERNELS chooses, such as "triton 3.8.0"; None for torch's operators.

    Raises `KernelsUnavailable` for a choice that cannot be used.
    """
    from samfleet_kernels.gpu import kernels_on

    return kernels_on("cuda", os.environ.get("SAMFLEET_KERNELS") or "auto")


def missing_libraries() -> list[str]:
    """Return system libraries that Triton's server or Python stub needs and the dynamic linker does not find."""
    linker = shutil.which("ldd")
    try:
        files = locate_triton()
    except (TritonNotInstalled, PythonLibraryMissing):
        return []
    if linker is None:
        return []
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{files.libraries}{os.pathsep}{files.python_library.parent}"}
    lines: list[str] = []
    for program in (files.server, files.stub):
        answer = subprocess.run(
            (linker, program), capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, env=environment
        )
        lines += answer.stdout.splitlines()
    return sorted({line.split()[0] for line in lines if "not found" in line})


def is_writable(path: Path) -> bool:
    """Return True if the folder, or its nearest existing parent, is writable."""
    while not path.exists():
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def account_exists(name: str) -> bool:
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


def embedded_triton() -> str | None:
    """Return the version of the wheel's Triton; None if it is not installed."""
    wheel = package_version("nvidia-pytriton")
    return TRITON_OF_WHEEL.get(wheel, f"of nvidia-pytriton {wheel}") if wheel else None


def triton_version(address: str, secret: str | None) -> str | None:
    """Return the version that a Triton server reports; None if it does not reply."""
    from samfleet_cli.local_stack.readiness import TritonReady

    return TritonReady(address, secret).version()


@cache
def container_engines(image: str) -> list[Engine]:
    return find_engines(image)


@dataclass(frozen=True, slots=True)
class Probes:
    python_version: Callable[[], tuple[int, int]] = python_version
    python_library: Callable[[], Path | None] = python_library
    platform_name: Callable[[], str] = platform_name
    glibc_version: Callable[[], tuple[int, ...] | None] = glibc_version
    missing_libraries: Callable[[], list[str]] = missing_libraries
    package_version: Callable[[str], str | None] = package_version
    free_disk_bytes: Callable[[Path], int] = free_disk_bytes
    available_memory_bytes: Callable[[], int] = available_memory_bytes
    shared_memory_bytes: Callable[[], int | None] = shared_memory_bytes
    gpu: Callable[[], str | None] = gpu
    torch_cuda: Callable[[], int | None] = torch_cuda
    nvml: Callable[[], str | None] = nvml
    cpu_kernels: Callable[[], str | None] = cpu_kernels
    gpu_kernels: Callable[[], str | None] = gpu_kernels
    embedded_triton: Callable[[], str | None] = embedded_triton
    triton_version: Callable[[str, str | None], str | None] = triton_version
    container_engines: Callable[[str], list[Engine]] = container_engines
    port_is_free: Callable[[int], bool] = port_is_free
    account_exists: Callable[[str], bool] = account_exists
    has_account: Callable[[], bool] = has_account
    is_writable: Callable[[Path], bool] = is_writable
    user_id: Callable[[], int] = os.geteuid
