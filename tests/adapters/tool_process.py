"""Scripts under the Python of the labelling tools, which `make test-integrations` sets up, and what they shall find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fixtures.servers.running_stack import Samfleet
from samfleet.client import Client

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
TESTS = Path(__file__).parents[1]
SECONDS = 280


def ran(samfleet: Samfleet, script: str, wishes: Any, *arguments: object) -> Any:
    """Run a module of this folder, which finds the stack by its state folder; return the JSON that it prints last."""
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        [str(PYTHON), "-m", f"adapters.{script}", *map(str, arguments)],
        cwd=TESTS,
        env=samfleet.environment,
        input=json.dumps(wishes),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])  # tools print, too


@dataclass(frozen=True)
class Found:
    """A mask of an image; `counts` are COCO's compressed run lengths."""

    image: str
    counts: str
    score: float


def masks_of(samfleet: Samfleet, images: Iterable[Path], variant: str, **task: int) -> list[Found]:
    """Return the masks as the client returns them."""
    wish = {"kind": "everything", **task}
    with (
        Client(state_dir=samfleet.info.state_dir) as client,
        client.segment(sorted(images), variant, task=wish, keep=False) as results,
    ):
        return [
            Found(one.file_name, mask["segmentation"]["counts"], float(score))
            for one in results
            for mask, score in zip(one.records, one.scores, strict=True)
        ]


def threshold_of(found: Iterable[Found]) -> float:
    """Return the middle of the widest gap between scores, which small differences between runs do not cross."""
    scores = sorted(one.score for one in found)
    low, high = max(pairwise(scores), key=lambda pair: pair[1] - pair[0])
    assert low < high
    return (low + high) / 2
