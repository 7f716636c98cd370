"""Check that files fit a variant's network, by the model code in a subprocess."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from samfleet.errors import InvalidInput
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pull import Check


class WeightsDoNotFit(InvalidInput):
    """The weights do not match this variant's architecture."""

    code = "weights_do_not_fit"


def fit_check(record: VariantRecord, weights_dir: Path) -> Check | None:
    """Return a check that compares a file's keys and shapes, together with the variant's other files, with the network.
    None without torch.

    The check runs when the last of the variant's files is present, because building the network may need all of them.
    """
    if not _has_torch():
        return None

    def check(role: str, path: Path) -> None:
        files = {other: weights_dir / checkpoint.filename for other, checkpoint in record.files.items()} | {role: path}
        if not all(file.is_file() for file in files.values()):
            return
        pairs = [f"{name}={file}" for name, file in files.items()]
        command = [sys.executable, "-m", "samfleet_models.tools.fit", record.name, *pairs]
        done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - our own module
        if done.returncode != 0:
            raise WeightsDoNotFit(
                f"{record.files[role].filename} does not fit {record.name}: {_last_line(done.stderr)}"
            )

    return check


def _has_torch() -> bool:
    try:
        version("torch")
    except PackageNotFoundError:
        return False
    return True


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "the check failed without a message"
