"""Command line and environment of the Triton server in the `nvidia-pytriton` wheel.

Only the wheel's server binary, shared libraries, Python backend and stub process for this Python are used. Nothing here
starts a process.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet.triton_tls import TlsFiles

CPU_TUNING = {
    # Keep large blocks in one heap, on huge pages, with up to 1 GiB of free memory retained. Otherwise mask decoding on
    # a virtual machine spends up to half of its time in page faults (measured: 1.1 million instead of 20 thousand).
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    # Idle threads sleep, because spinning threads would starve the rest of the stack, which shares the cores.
    "OMP_WAIT_POLICY": "PASSIVE",
}
UTF8 = {"PYTHONUTF8": "1"}  # for processes started by torch's compiler; the stub itself ignores it
GPU_TUNING = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}  # less fragmentation with images of many sizes
CACHES = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton", "CUDA_CACHE_PATH": "cuda"}
TRITON_OF_WHEEL = {"0.7.0": "2.51.0"}  # version of nvidia-pytriton: version of its server; the binary has no --version


class TritonNotInstalled(SamfleetError):
    """The Triton server is not installed here; run `pip install 'samfleet[local]'`."""

    code = "triton_not_installed"


def compiled_folders(folder: Path | None) -> dict[str, str]:
    """Return the variables that name the folders of compiled code in `folder`; none without it."""
    return {name: str((folder / part).resolve()) for name, part in CACHES.items()} if folder else {}


class PythonLibraryMissing(SamfleetError):
    """Triton's Python backend needs Python's shared library, which is missing; install the package `libpython3.x`, or a
    Python built with --enable-shared.
    """

    code = "libpython_missing"


@dataclass(frozen=True, slots=True)
class TritonFiles:
    """Paths of a Triton installation that the command needs."""

    server: Path
    libraries: Path
    python_backend: Path
    stub: Path
    python_library: Path  # the libpython that the stub embeds
    python_bin: Path  # folder of the `python3` that determines the stub's packages
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TritonCommand:
    """Configuration of one server. It offers gRPC and metrics, but no HTTP.

    With `socket`, it listens on that Unix socket, which only accounts with access to the socket's folder can reach. On
    an address, `tls` requires the secret. Without both, anybody who reaches the port controls the server.

    `python_path` has the folders of the samfleet packages (samfleet, samfleet_models). `models` are loaded at start,
    others on demand (explicit model control). `device` is auto, cpu or cuda. `threads` limits torch on the CPU.
    `execution` is the setting of that name; every execution except fp32 needs its gate in the folder `gates`.
    `own_repository` has the model folders of user-defined variants. The folder `compiled` caches compiled code. When
    stopped, the server waits up to `exit_seconds` for its models; a model whose process once died takes all of it.
    """

    files: TritonFiles
    backends: Path
    repository: Path
    weights: Path
    grpc_port: int
    metrics_port: int
    models: Sequence[str] = ()
    python_path: Sequence[Path] = ()
    host: str = "127.0.0.1"
    socket: Path | None = None
    tls: TlsFiles | None = None
    device: str = "auto"
    threads: int | None = None
    execution: str = "fp32"
    gates: Path | None = None
    own_repository: Path | None = None
    compiled: Path | None = None
    exit_seconds: int = 30
    extra_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Return the gRPC address for clients. Triton appends the port to any address, also to a path."""
        return f"{self._grpc_host}:{self.grpc_port}"

    @property
    def _grpc_host(self) -> str:
        return f"unix:{self.socket}" if self.socket else self.host

    def network_options(self) -> list[str]:
        return [
            "--allow-http=false",
            f"--grpc-address={self._grpc_host}",
            f"--grpc-port={self.grpc_port}",
            *(self.tls.triton_options() if self.tls else ()),
            f"--metrics-address={self.host}",
            f"--metrics-port={self.metrics_port}",
        ]


def locate_triton() -> TritonFiles:
    """Locate the installation of this interpreter. Raises `TritonNotInstalled` or `PythonLibraryMissing`."""
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise TritonNotInstalled
    package = Path(spec.origin).parent
    server = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    files = TritonFiles(
        server=server / "bin" / "tritonserver",
        libraries=package.parent / "nvidia_pytriton.libs",
        python_backend=server / "backends" / "python",
        stub=server / "python_backend_stubs" / version / "triton_python_backend_stub",
        python_library=find_python_library(),
        python_bin=Path(sys.executable).parent,
        version=TRITON_OF_WHEEL.get(installed_version("nvidia-pytriton")),
    )
    for path in (files.server, files.libraries, files.python_backend, files.stub):
        if not path.exists():
            raise TritonNotInstalled(f"{path} is missing from the nvidia-pytriton package; reinstall it")
    return files


def find_python_library() -> Path:
    """Find the shared library of this interpreter, in its build's folder or the usual folders of distributions."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folders = [Path(str(sysconfig.get_config_var("LIBDIR"))), Path(sys.base_prefix) / "lib"]
    folders += [folder / str(sysconfig.get_config_var("MULTIARCH")) for folder in folders]
    for folder in folders:
        if os.access(folder / name, os.R_OK):  # False too where the folder is closed to this account
            return folder / name
    raise PythonLibraryMissing(
        f"{name} is in none of {', '.join(map(str, folders))}; Triton's Python backend embeds it: install the "
        f"package that has it (Debian: libpython{name[9:13]}) or a Python built with --enable-shared"
    )


def prepare_backends(files: TritonFiles, source: Path, target: Path) -> Path:
    """Create Triton's backend directory: its Python backend with this Python's stub, and our backends.

    `source` has one folder per backend (`sam/model.py`). Files are copied, because Triton rejects a backend library
    that is a link to outside its directory. An earlier `target` is replaced.
    """
    if target.exists():
        shutil.rmtree(target)
    python = target / "python"
    python.mkdir(parents=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy2(files.python_backend / name, python / name)
    shutil.copy2(files.stub, python / files.stub.name)
    for backend in sorted(path for path in source.iterdir() if (path / "model.py").exists()):
        shutil.copytree(backend, target / backend.name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def triton_argv(command: TritonCommand) -> list[str]:
    return [
        str(command.files.server),
        f"--model-repository={command.repository}",
        *([f"--model-repository={command.own_repository}"] if command.own_repository else []),
        f"--backend-directory={command.backends}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in command.models),
        "--disable-auto-complete-config",
        "--exit-on-error=false",
        f"--exit-timeout-secs={command.exit_seconds}",
        "--strict-readiness=false",  # otherwise one variant that fails to load makes the whole server unready
        *command.network_options(),
    ]


def triton_env(command: TritonCommand, base: Mapping[str, str]) -> dict[str, str]:
    """Return the server's complete environment: `base` (HOME, proxies...) and the variables of the stub process.

    The stub starts Python in isolated mode, which ignores PYTHONPATH and PYTHONHOME. It uses the packages of the
    virtual environment whose `python3` comes first on PATH; our backend itself adds the folders in PYTHONPATH.
    """
    files = command.files
    libraries = [str(files.libraries), str(files.python_library.parent), base.get("LD_LIBRARY_PATH", "")]
    env = {
        **GPU_TUNING,
        **compiled_folders(command.compiled),
        **base,  # may override these folders
        **CPU_TUNING,
        **UTF8,
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "PATH": ":".join(filter(None, [str(files.python_bin), base.get("PATH", "")])),
        "PYTHONPATH": ":".join(map(str, command.python_path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SAMFLEET_WEIGHTS_DIR": str(command.weights),
        "SAMFLEET_DEVICE": command.device,
        "SAMFLEET_EXECUTION": command.execution,
        **command.extra_env,
    }
    if files.version is not None:
        env["TRITON_SERVER_VERSION"] = files.version  # same name as in NVIDIA's image
    if command.gates is not None:
        env["SAMFLEET_GATES_DIR"] = str(command.gates)
    if command.threads is not None:
        env["SAMFLEET_THREADS"] = str(command.threads)
    return env
