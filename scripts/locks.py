"""Lock files of the images: every package with its version and the hashes of its files.

`python -m scripts.locks --uv PATH` writes `deploy/locks/*.txt` by uv from pyproject.toml and constraints.txt
(`make locks`). The first line of each file has a digest of what it was made from, so that a test notices an old one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "locks"
PLATFORM = "x86_64-manylinux_2_36"
# torch's build for CPUs is not on PyPI, so its hashes are not known here (docs/adr/0069-images-from-hashed-locks.md).
# Its build for CUDA needs these, that for CPUs does not.
CPU_TORCH = r"torch|triton|cuda-\w+|nvidia-(?!ml-py|pytriton)[\w-]+"


@dataclass(frozen=True, slots=True)
class Lock:
    """Packages that an image installs: those of `extras` and `requirements`, less those whose names match `without`.

    `free` are packages whose version constraints.txt does not fix here. `only` keeps these packages alone.
    """

    name: str
    extras: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    python: str = "3.11"
    without: str | None = None
    free: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.txt"


LOCKS = (
    Lock("build", requirements=("hatchling==1.27.0",)),
    Lock("app", ("api", "cli", "geo", "otel", "parquet", "worker")),
    Lock("video", ("video",), only=("av",)),
    Lock("formats", ("formats",), only=("pillow-heif", "pillow-jxl-plugin")),
    Lock("triton-cpu", ("triton",), ("nvidia-pytriton==0.7.0",), without=CPU_TORCH),
    Lock("triton-gpu", ("triton-gpu",), ("numpy==2.4.6",), python="3.12", free=("numpy", "onnxruntime")),
)


def inputs_digest(lock: Lock) -> str:
    """Return a digest of everything that decides the versions of a lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: project["optional-dependencies"][name] for name in lock.extras}
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    content = json.dumps([repr(lock), project["dependencies"] if extras else [], extras, constraints])
    return hashlib.sha256(content.encode()).hexdigest()


def compile_lock(lock: Lock, uv: str) -> str:
    """Return the content of a lock."""
    with TemporaryDirectory() as name:
        constraints, requirements = Path(name) / "constraints.txt", Path(name) / "requirements.in"
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        constraints.write_text("\n".join(line for line in lines if line.partition("==")[0] not in lock.free) + "\n")
        requirements.write_text("\n".join(lock.requirements) + "\n")
        sources = ([str(ROOT / "pyproject.toml")] if lock.extras else []) + [str(requirements)]
        options = (
            *(f"--extra={extra}" for extra in lock.extras), f"--constraint={constraints}", "--generate-hashes",
            f"--python-version={lock.python}", f"--python-platform={PLATFORM}", "--no-header", "--no-annotate",
            "--quiet",
        )  # fmt: skip
        done = subprocess.run((uv, "pip", "compile", *sources, *options), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"uv cannot make {lock.path.name}:\n{done.stderr}")
    return f"# Made by `make locks` from {inputs_digest(lock)}\n" + _kept(lock, done.stdout)


def _kept(lock: Lock, text: str) -> str:
    """Drop packages that the image gets elsewhere."""
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    named = [(block.partition("==")[0], block) for block in blocks if "==" in block]
    dropped = re.compile(lock.without or r"(?!)")
    return "".join(
        block for name, block in named if not dropped.fullmatch(name) and (not lock.only or name in lock.only)
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.locks", description="Write the lock files of the images.")
    parser.add_argument("--uv", default="uv", help="uv's program")
    arguments = parser.parse_args(argv)
    FOLDER.mkdir(exist_ok=True)
    for lock in LOCKS:
        lock.path.write_text(compile_lock(lock, arguments.uv), encoding="utf-8")
        print(f"wrote {lock.path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
