from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from samfleet.triton_tls import TlsFiles
from samfleet_cli.local_stack.triton_command import (
    TritonCommand,
    TritonFiles,
    find_python_library,
    prepare_backends,
    triton_argv,
    triton_env,
)


@pytest.fixture
def command(tmp_path: Path) -> TritonCommand:
    wheel = tmp_path / "wheel"
    files = TritonFiles(
        server=wheel / "tritonserver",
        libraries=wheel / "libs",
        python_backend=wheel / "python",
        stub=wheel / "stub" / "triton_python_backend_stub",
        python_library=tmp_path / "lib" / "libpython.so",
        python_bin=tmp_path / "venv" / "bin",
    )
    for path in (files.python_backend, files.stub.parent):
        path.mkdir(parents=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        (files.python_backend / name).write_text(name)
    files.stub.write_text("stub")
    return TritonCommand(files, tmp_path / "backends", tmp_path / "repository", tmp_path / "weights", 1, 2)


def test_models_load_on_demand_and_nothing_listens_beyond_the_host(command: TritonCommand) -> None:
    argv = triton_argv(replace(command, models=["a", "b"]))
    assert argv[0] == str(command.files.server)
    assert "--model-control-mode=explicit" in argv
    assert [word for word in argv if word.startswith("--load-model")] == ["--load-model=a", "--load-model=b"]
    assert {word.split("=")[1] for word in argv if "-address=" in word} == {"127.0.0.1"}
    assert [word for word in argv if "-port=" in word] == ["--grpc-port=1", "--metrics-port=2"]
    assert "--allow-http=false" in argv


def test_a_server_on_a_socket_opens_no_port_for_grpc(command: TritonCommand) -> None:
    on_socket = replace(command, socket=Path("/closed/triton"))
    assert "--grpc-address=unix:/closed/triton" in triton_argv(on_socket)
    assert on_socket.address == "unix:/closed/triton:1"


def test_a_server_with_tls_requires_a_client_certificate(command: TritonCommand, tmp_path: Path) -> None:
    tls = TlsFiles(tmp_path / "key", tmp_path / "certificate", tmp_path / "authority")
    argv = triton_argv(replace(command, tls=tls))
    assert {"--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true", f"--grpc-root-cert={tls.authority}"} <= set(argv)


def test_the_stub_finds_our_python_first(command: TritonCommand) -> None:
    env = triton_env(
        replace(command, python_path=[Path("/a"), Path("/b")], threads=3, extra_env={"MORE": "1"}),
        {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/cuda", "HOME": "/home"},
    )
    files = command.files
    assert env["PATH"] == f"{files.python_bin}:/usr/bin"
    assert env["LD_LIBRARY_PATH"] == f"{files.libraries}:{files.python_library.parent}:/cuda"
    assert env["PYTHONPATH"] == "/a:/b"
    assert (env["SAMFLEET_WEIGHTS_DIR"], env["SAMFLEET_DEVICE"], env["SAMFLEET_THREADS"]) == (
        str(command.weights),
        "auto",
        "3",
    )
    assert (env["HOME"], env["MORE"]) == ("/home", "1")
    assert "SAMFLEET_THREADS" not in triton_env(command, {})


def test_compiled_code_is_cached_unless_the_user_sets_another_place(command: TritonCommand) -> None:
    env = triton_env(replace(command, compiled=Path("/state/compiled")), {"TRITON_CACHE_DIR": "/mine"})
    assert env["TORCHINDUCTOR_CACHE_DIR"] == "/state/compiled/inductor"
    assert env["CUDA_CACHE_PATH"] == "/state/compiled/cuda"
    assert env["TRITON_CACHE_DIR"] == "/mine"
    assert env["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert triton_env(command, {"PYTORCH_ALLOC_CONF": "backend:native"})["PYTORCH_ALLOC_CONF"] == "backend:native"
    assert "TORCHINDUCTOR_CACHE_DIR" not in triton_env(command, {})


def test_the_execution_and_its_gates_are_passed_on(command: TritonCommand) -> None:
    plain = triton_env(command, {})
    assert (plain["SAMFLEET_EXECUTION"], "SAMFLEET_GATES_DIR" in plain) == ("fp32", False)
    env = triton_env(replace(command, execution="bf16", gates=Path("/gates")), {"SAMFLEET_EXECUTION": "fp16"})
    assert (env["SAMFLEET_EXECUTION"], env["SAMFLEET_GATES_DIR"]) == ("bf16", "/gates")


def test_the_backend_directory_holds_copies_and_replaces_an_earlier_one(command: TritonCommand, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sam" / "__pycache__").mkdir(parents=True)
    (source / "sam" / "model.py").write_text("ours")
    (source / "notes").mkdir()
    (command.backends / "stale").mkdir(parents=True)
    assert prepare_backends(command.files, source, command.backends) == command.backends
    found = {str(path.relative_to(command.backends)) for path in command.backends.rglob("*") if path.is_file()}
    assert found == {
        "python/libtriton_python.so",
        "python/triton_python_backend_utils.py",
        "python/triton_python_backend_stub",
        "sam/model.py",
    }
    assert not any(path.is_symlink() for path in command.backends.rglob("*"))


def test_a_library_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another account's home, such as that of a virtual environment made by root."""
    closed, readable = tmp_path / "closed", tmp_path / "base" / "lib"
    name = find_python_library().name
    for folder in (closed, readable):
        folder.mkdir(parents=True)
        (folder / name).touch()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: closed not in Path(path).parents and access(path, mode))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: {"LIBDIR": str(closed)}.get(name, ""))
    monkeypatch.setattr(sys, "base_prefix", str(readable.parent))
    assert find_python_library() == readable / name


def test_the_library_of_this_python_is_found() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert find_python_library().name == f"libpython{version}.so.1.0"
