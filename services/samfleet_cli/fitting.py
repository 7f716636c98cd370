"""Whether weights fit their network, asked of the model code where torch is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from samfleet.errors import InvalidInput
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pull import Check
from samfleet_cli.local_stack.gates import installed_version


class WeightsDoNotFit(InvalidInput):
    """The weights are not of this variant's architecture."""

    code = "weights_do_not_fit"


def fit_check(record: VariantRecord, weights_dir: Path) -> Check | None:
    """Holds a file, with the variant's others, against the network, key by key and shape by shape; None without torch.

    A file that comes before the others is judged with the last of them: a network may need all to be built.
    """
    if installed_version("torch") is None:
        return None

    def check(role: str, path: Path) -> None:
        files = {other: weights_dir / checkpoint.filename for other, checkpoint in record.files.items()} | {role: path}
        if not all(file.is_file() for file in files.values()):
            return
        pairs = [f"{name}={file}" for name, file in files.items()]
        command = [sys.executable, "-m", "samfleet_models.tools.fit", record.name, *pairs]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode != 0:
            raise WeightsDoNotFit(
                f"{record.files[role].filename} does not fit {record.name}: {_last_line(done.stderr)}"
            )

    return check


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "the check ended without a word"
