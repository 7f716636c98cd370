"""`make setup`: which Python it takes, and which torch. Programs in a folder of their own stand for a machine's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Makes environments that hold itself, notes what it is asked to install, and fails what it has been told to.
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
    """A folder with the Makefile and, in `bin`, the programs that this machine has."""
    (tmp_path / "bin").mkdir()
    for name in ("make", "bash", "grep", "mkdir", "cp", "touch"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
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


def test_without_a_python_it_says_what_helps_on_this_debian(machine: Path) -> None:
    answer = _setup(machine)

    assert answer.returncode != 0
    for hint in ("Python 3.11 or 3.12", "libpython3.11", "uv python install 3.12"):
        assert hint in answer.stderr


def test_it_finds_the_python_of_uv(machine: Path) -> None:
    _install(machine / ".local" / "bin" / "python3.12", PYTHON)

    assert _setup(machine).returncode == 0
    assert (machine / ".venv" / "bin" / "python").exists()


def test_without_a_gpu_torch_is_the_build_without_cuda(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    answer = _setup(machine)

    first, second = _installs(machine)
    assert "--index-url https://cpu.example torch==" in first
    assert ".[dev]" in second
    assert (answer.returncode, answer.stderr) == (0, "")


def test_without_that_index_pypi_is_taken_and_it_says_so(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    answer = _setup(machine, INDEX_FAILS="1")

    assert answer.returncode == 0
    assert "https://cpu.example does not answer" in answer.stderr
    assert ".[dev]" in _installs(machine)[-1]


def test_with_a_gpu_torch_is_that_of_pypi(machine: Path) -> None:
    _install(machine / "bin" / "python3.11", PYTHON)
    _install(machine / "bin" / "nvidia-smi", "#!/bin/bash\necho 'GPU 0: NVIDIA L4'\n")
    answer = _setup(machine)

    [only] = _installs(machine)
    assert ".[dev]" in only
    assert (answer.returncode, answer.stderr) == (0, "")
