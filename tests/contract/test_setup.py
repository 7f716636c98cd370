"""`make setup`: its choice of Python and torch, with programs in a test folder in place of the machine's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A stub of Python: it creates environments with itself inside, logs requests to install, and fails those it is told to.
PYTHON = """#!/bin/bash
[ "$2" = venv ] && { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; }
case "$*" in
  *find_spec*) exit 1 ;;
  *-m\\ pip*) echo "$*" >> pip.log; [[ "$*" == *--index-url* ]] && exit "${INDEX_FAILS:-0}" ;;
esac
exit 0
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with the Makefile and, in `bin`, the programs of this machine."""
    (tmp_path / "bin").mkdir()
    for name in ("make", "bash", "grep", "mkdir", "cp", "touch"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    _install(tmp_path / "bin" / "uname", "#!/bin/bash\necho Linux x86_64\n")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _install(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _setup(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    values = {"PATH": str(machine / "bin"), "HOME": str(machine), "LANG": "C", **environment}
    argv = ("make", "setup", "TORCH_CPU_INDEX=https://cpu.example")
    return subprocess.run(argv, cwd=machine, env=values, capture_output=True, text=True, check=False, timeout=60)


def _installs(machine: Path) -> list[str]:
    return (machine / "pip.log").read_text().splitlines()


def test_a_missing_python_is_reported_with_the_remedy_for_this_debian(machine: Path) -> None:
    answer = _setup(machine)

    assert answer.returncode != 0
    for hint in ("Python 3.11 or 3.12", "libpython3.11", "uv python install 3.12"):
        assert hint in answer.stderr


def test_the_python_of_uv_is_found(machine: Path) -> None:
    _install(machine / ".local" / "bin" / "python3.12", PYTHON)

    assert _setup(machine).returncode == 0
    assert (machine / ".venv" / "bin" / "python").exists()


def test_torch_without_cuda_is_installed_without_a_gpu(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    answer = _setup(machine)

    first, second = _installs(machine)
    assert "--index-url https://cpu.example torch==" in first
    assert ".[dev]" in second
    assert (answer.returncode, answer.stderr) == (0, "")


def test_pypi_is_used_with_a_message_if_the_torch_index_is_missing(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    answer = _setup(machine, INDEX_FAILS="1")

    assert answer.returncode == 0
    assert "https://cpu.example does not reply" in answer.stderr
    assert ".[dev]" in _installs(machine)[-1]


def test_torch_of_pypi_is_installed_with_a_gpu(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    _install(machine / "bin" / "nvidia-smi", "#!/bin/bash\necho 'GPU 0: NVIDIA L4'\n")
    answer = _setup(machine)

    [only] = _installs(machine)
    assert ".[dev]" in only
    assert (answer.returncode, answer.stderr) == (0, "")


def test_another_processor_is_told_what_pip_compiles(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    _install(machine / "bin" / "uname", "#!/bin/bash\necho Linux aarch64\n")
    answer = _setup(machine)

    assert answer.returncode == 0
    assert "tested on Linux on x86-64 only. On Linux aarch64 pip compiles" in answer.stderr
    assert ".[dev]" in _installs(machine)[-1]
