"""A Triton that listens on a network replies only to clients with its secret."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from fixtures.servers.triton import TLS_SECRET, running_triton
from samfleet.triton_tls import TlsIdentity, derive_identity, write_identity
from samfleet_cli.local_stack.part import Answer
from samfleet_cli.local_stack.readiness import TritonReady
from samfleet_worker.triton.client import connect

CALLS: dict[str, Callable[[InferenceServerClient], object]] = {
    "load": lambda client: client.load_model("evil", config="{}", files={"file:1/model.py": b"import os"}),
    "unload": lambda client: client.unload_model("mobile_sam"),
    "index": lambda client: client.get_model_repository_index(),
    "shared memory": lambda client: client.register_system_shared_memory("name", "/key", 1),
    "trace": lambda client: client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}),
    "log": lambda client: client.update_log_settings({"log_verbose_level": 1}),
    "statistics": lambda client: client.get_inference_statistics(),
    "inference": lambda client: client.infer("mobile_sam", [InferInput("IMAGE", [1, 1], "UINT8")]),
    "metadata": lambda client: client.get_server_metadata(),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("closed")
    tls = write_identity(derive_identity(TLS_SECRET), folder / "tls")
    with running_triton(folder, folder, [], tls=tls) as command:
        yield command.address


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("identity", [None, derive_identity("of another server")], ids=["no TLS", "another secret"])
def test_clients_without_the_secret_are_refused(address: str, call: str, identity: TlsIdentity | None) -> None:
    with closing(connect(address, identity)) as client, pytest.raises(InferenceServerException) as refused:
        CALLS[call](client)
    assert refused.value.status() == "StatusCode.UNAVAILABLE"


def test_a_worker_with_the_secret_is_served(address: str) -> None:
    with closing(connect(address, derive_identity(TLS_SECRET))) as client:
        assert client.is_server_ready()
        assert any(model.name == "mobile_sam" for model in client.get_model_repository_index().models)


def test_readiness_needs_the_secret_too(address: str) -> None:
    assert TritonReady(address, TLS_SECRET).ask() is Answer.READY
    assert TritonReady(address, "of another server, which is not this one").ask() is Answer.SILENT


def test_the_version_is_read_with_the_secret_only(address: str) -> None:
    assert TritonReady(address, TLS_SECRET).version() == "2.51.0"
    assert TritonReady(address, "of another server, which is not this one").version() is None


@pytest.mark.usefixtures("dead_proxy")
def test_network_servers_are_reached_without_a_proxy(address: str) -> None:
    assert TritonReady(address, TLS_SECRET).ask() is Answer.READY
    with closing(connect(address, derive_identity(TLS_SECRET))) as client:
        assert client.is_server_ready()


def test_a_network_server_does_not_start_without_a_secret(tmp_path: Path) -> None:
    environment = {**os.environ, "SAMFLEET_WEIGHTS_DIR": str(tmp_path)}
    command = (sys.executable, "-m", "samfleet_cli.local_stack.serve_triton")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "triton_secret_missing" in done.stderr
