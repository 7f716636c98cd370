"""A stack that cannot start reports the reason within seconds, in its first line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fixtures.models.gates import gate
from fixtures.models.shared_data import weights_dir
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.gates import write_gate
from samfleet_cli.local_stack.stack import stack_status, stop_stack
from samfleet_models.device.hardware import fingerprint
from samfleet_models.precision.admission import gate_subject


def up(work: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMFLEET_")}
    try:
        return subprocess.run(
            (sys.executable, "-P", "-m", "samfleet_cli.main", "up", *arguments),
            cwd=work,
            env={**kept, **settings, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        stop_stack(work / ".samfleet")


@pytest.mark.parametrize("arguments", [(), ("--detach",)])
def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = up(tmp_path, *arguments, SAMFLEET_API_PORT=port, SAMFLEET_WEIGHTS_DIR=str(weights_dir()))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"samfleet: another program uses port {port} (SAMFLEET_API_PORT)")
    assert done.stderr.endswith("[stack_port_taken]\n")
    assert not (tmp_path / ".samfleet" / "postgres").exists()


def test_an_execution_that_triton_cannot_load_fails_the_start_with_the_reason(tmp_path: Path) -> None:
    """Its gate passed earlier, but the compiler is missing now."""
    record, compiled = get_variant("mobile_sam"), Execution("fp32", "compile")
    hardware = fingerprint(torch.device("cpu"), execution=compiled)
    subject = gate_subject(record, compiled, hardware, str(record.checkpoint.sha256))
    write_gate(tmp_path / "gates", gate(subject))
    done = up(
        tmp_path,
        "--detach",
        SAMFLEET_WEIGHTS_DIR=str(weights_dir()),
        SAMFLEET_EXECUTION="mobile_sam=fp32+compile",
        SAMFLEET_GATES_DIR=str(tmp_path / "gates"),
        SAMFLEET_DEVICE="cpu",
        CXX=str(tmp_path / "no-compiler"),
    )
    assert done.returncode == 1, done.stderr
    [first] = [line for line in done.stderr.splitlines() if line.startswith("samfleet: ")]
    told = (
        "samfleet: the stack did not start because of triton: triton: Triton cannot load mobile_sam: compiler_missing"
    )
    assert first.startswith(told)
    assert stack_status(tmp_path / ".samfleet").state == "stopped"
