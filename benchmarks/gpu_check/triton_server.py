"""The real Triton from its wheel, with one model loaded, without broker or database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.gpu_check import ROOT
from benchmarks.gpu_check.engines import weights_dir
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import NotHere
from benchmarks.gpu_check.wheels import old_numpy_of, site_of, unpack

READY_SECONDS = 90.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.2


@contextmanager
def running_triton(options: Options, model: str) -> Iterator[Any]:
    """Yield a gRPC client of the server. The server's log is in the work folder."""
    from tritonclient.grpc import InferenceServerClient

    from samfleet_cli.local_stack.triton_command import triton_argv, triton_env

    folder = Path(options.work) / "triton"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="gpu-check-") as socket_folder, (folder / "triton.log").open("wb") as log:
        command = server_command(options, model, folder, Path(socket_folder))
        process = subprocess.Popen(  # noqa: S603 - the server of the wheel
            triton_argv(command), env=triton_env(command, os.environ), stdout=log, stderr=subprocess.STDOUT
        )
        client = InferenceServerClient(command.address)
        try:
            wait_until_ready(client, process, model, folder / "triton.log")
            yield client
        finally:
            client.close()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def server_command(options: Options, model: str, folder: Path, socket_folder: Path) -> Any:
    """Return the server's command. Its socket is in `socket_folder`, which must be private: access means control."""
    from samfleet_cli.local_stack.triton_command import TritonCommand, prepare_backends

    files = triton_files(options)
    grpc, metrics = free_ports(2)
    return TritonCommand(
        files=files,
        backends=prepare_backends(files, ROOT / "triton_models" / "backends", folder / "backends"),
        repository=ROOT / "triton_models" / "repository",
        weights=weights_dir(options),
        grpc_port=grpc,
        socket=socket_folder / "triton.sock",
        metrics_port=metrics,
        models=[model],
        python_path=[ROOT / "services", ROOT / "triton_models"],
        device=options.device.partition(":")[0],
    )


def triton_files(options: Options) -> Any:
    """Return the wheel's parts, with the interpreter whose packages the stub uses."""
    from dataclasses import replace

    from samfleet_cli.local_stack import triton_command

    if options.triton_wheel:
        place = Path(options.work) / "pytriton"
        if not place.exists():
            unpack(Path(options.triton_wheel), place)
        sys.path.insert(0, str(place))
    if options.libpython:
        library = Path(options.libpython)
        triton_command.find_python_library = lambda: library
    files = triton_command.locate_triton()
    for program in (files.server, files.stub):
        program.chmod(program.stat().st_mode | 0o100) if not os.access(program, os.X_OK) else None
    return replace(files, python_bin=stub_python(options))


def stub_python(options: Options) -> Path:
    """Return the folder of a `python3` whose packages start with numpy 1, which Triton 2.51's stub needs.

    With numpy 1 installed it is this interpreter's own. Otherwise a virtual environment is made with the supplied numpy
    1, and a .pth file adds this process's package folders after it.
    """
    if int(np.__version__.partition(".")[0]) < 2:  # noqa: PLR2004 - the version
        return Path(sys.executable).parent
    old = old_numpy_of(options)
    if not (old / "numpy").is_dir():
        raise NotHere(
            f"Triton's stub dies under numpy {np.__version__}; add the wheel of numpy 1.26 for Python "
            f"{sys.version_info.major}.{sys.version_info.minor} to the folder of --wheels"
        )
    place = Path(options.work) / "stub-python"
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)  # noqa: S603
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    others = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    (site / "carried.pth").write_text("\n".join([str(old), str(site_of(options)), *others]) + "\n")
    return place / "bin"


def wait_until_ready(client: Any, process: subprocess.Popen[bytes], model: str, log: Path) -> None:
    from tritonclient.utils import InferenceServerException

    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if client.is_model_ready(model):
                return
        except InferenceServerException:
            pass  # it does not listen yet
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"Triton has no {model} after {READY_SECONDS:.0f} s: {log.read_text(errors='replace')[-2500:]}")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [own.getsockname()[1] for own in sockets]
    for own in sockets:
        own.close()
    return ports
