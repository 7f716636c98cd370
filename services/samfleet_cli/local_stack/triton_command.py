"""How to run the Triton server of the `nvidia-pytriton` wheel: paths in, command line and environment out.

The wheel is used as a carrier only: its server binary, its shared libraries, its Python backend and the stub
process for this Python. Nothing here starts a process.
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
    # Large blocks stay in one heap, on huge pages, and up to 1 GiB of it is kept when free: on a virtual machine mask
    # decoding otherwise spends up to half of its time in page faults (measured: 1.1 million of them, then 20 thousand).
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    # Idle threads sleep: the server shares its cores with the rest of the stack, which spinning threads would starve.
    "OMP_WAIT_POLICY": "PASSIVE",
}
UTF8 = {"PYTHONUTF8": "1"}  # of processes that torch's compiler starts; the stub itself does not look at it
GPU_TUNING = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}  # less stays unused between images of many sizes
CACHES = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton", "CUDA_CACHE_PATH": "cuda"}
TRITON_OF_WHEEL = {"0.7.0": "2.51.0"}  # nvidia-pytriton's version to the server's inside; the binary has no --version


class TritonNotInstalled(SamfleetError):
    """The Triton server is not installed here; run `pip install 'samfleet[local]'`."""

    code = "triton_not_installed"


class PythonLibraryMissing(SamfleetError):
    """This Python has no shared library, which Triton's Python backend needs; install the `libpython3.x` package or a
    Python built with --enable-shared.
    """

    code = "libpython_missing"


@dataclass(frozen=True, slots=True)
class TritonFiles:
    """The parts of one Triton installation that the command needs."""

    server: Path
    libraries: Path
    python_backend: Path
    stub: Path
    python_library: Path  # the libpython that the stub embeds
    python_bin: Path  # the folder whose `python3` decides which packages the stub sees
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TritonCommand:
    """One server: what it serves and where it listens. It has gRPC and metrics, and no HTTP.

    With `socket` it listens on that unix socket, which only who may enter the socket's folder reaches. On an address,
    `tls` keeps out everybody without the secret; without both, whoever reaches the port controls the server.

    `python_path` holds the folders of the samfleet packages (samfleet, samfleet_models). `models` are loaded at start;
    others load on demand (explicit model control). `device` is auto, cpu or cuda. `threads` bounds torch on the CPU.
    `execution` is the setting of that name; what it asks for beyond fp32 needs its gate in the folder `gates`.
    `own_repository` has the model folders of a user's own variants. The folder `compiled` keeps what is compiled for
    them. Asked to end, the server waits `exit_seconds` for its models; one whose process died once is waited for in
    vain.
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
        """The gRPC server as clients name it. Triton adds the port to whatever address it is given, a path too."""
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
    """The installation of this interpreter; raises `TritonNotInstalled` or `PythonLibraryMissing`."""
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
    """The shared library of this interpreter, where its build says or in the usual folders of a distribution."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    folders = [Path(str(sysconfig.get_config_var("LIBDIR"))), Path(sys.base_prefix) / "lib"]
    folders += [folder / str(sysconfig.get_config_var("MULTIARCH")) for folder in folders]
    for folder in folders:
        if os.access(folder / name, os.R_OK):  # False too where the folder is closed to this account
            return folder / name
    raise PythonLibraryMissing(
        f"{name} is in none of {', '.join(map(str, folders))}; Triton's Python backend embeds it: install the "
        f"package that carries it (Debian: libpython{name[9:13]}) or a Python built with --enable-shared"
    )


def prepare_backends(files: TritonFiles, source: Path, target: Path) -> Path:
    """Lays the backend directory that Triton reads: its Python backend with this Python's stub, and ours beside it.

    `source` holds one folder per backend of ours (`sam/model.py`). Files are copied: Triton refuses a backend library
    that a link leads out of its directory. An earlier `target` is replaced.
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
        "--strict-readiness=false",  # a variant that failed to load makes a server of others unready otherwise
        *command.network_options(),
    ]


def triton_env(command: TritonCommand, base: Mapping[str, str]) -> dict[str, str]:
    """The server's whole environment: `base` (HOME, proxies...) plus what the stub process needs.

    The stub starts Python isolated: PYTHONPATH and PYTHONHOME do not reach it. It finds the packages of the virtual
    environment whose `python3` comes first on PATH; our backend itself adds the folders named in PYTHONPATH.
    """
    files = command.files
    libraries = [str(files.libraries), str(files.python_library.parent), base.get("LD_LIBRARY_PATH", "")]
    caches = {name: str(command.compiled / folder) for name, folder in CACHES.items()} if command.compiled else {}
    env = {
        **GPU_TUNING,
        **caches,
        **base,  # which may name other folders
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
        env["TRITON_SERVER_VERSION"] = files.version  # the name that NVIDIA's image gives it
    if command.gates is not None:
        env["SAMFLEET_GATES_DIR"] = str(command.gates)
    if command.threads is not None:
        env["SAMFLEET_THREADS"] = str(command.threads)
    return env
