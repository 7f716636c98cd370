"""Write each variant's `config.pbtxt` from its record and the wire's tensor tables.

    python -m samfleet.wire.model_config --write triton_models/repository

Format: https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto. The files are
committed; a test parses them through the protobuf and compares them to the records.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.record import VariantRecord
from samfleet.variants.user_records import read_variants
from samfleet.wire.tensors import INPUTS, OUTPUTS, Dims

BACKEND = "sam"
MAX_QUEUE_DELAY_MICROSECONDS = 5_000  # short compared with one image's work; lets requests sent together share a batch


def render_config(record: VariantRecord) -> str:
    """Return the complete configuration of the model.

    Nothing is left to Triton's auto-complete. KIND_AUTO makes one instance per GPU if Triton sees GPUs, otherwise one
    on the CPU.
    """
    return "\n".join(
        [
            f'name: "{record.name}"',
            f'backend: "{BACKEND}"',
            f"max_batch_size: {record.max_batch_size}",
            *_tensors("input", INPUTS),
            *_tensors("output", OUTPUTS),
            f"dynamic_batching {{ max_queue_delay_microseconds: {MAX_QUEUE_DELAY_MICROSECONDS} }}",
            "instance_group [ { count: 1, kind: KIND_AUTO } ]",
            f'parameters {{ key: "variant", value {{ string_value: "{record.name}" }} }}',
            "",
        ]
    )


def write_configs(repository: Path, records: Iterable[VariantRecord]) -> list[Path]:
    """Write one model folder per variant, with the empty version folder that Triton requires."""
    written = []
    for record in records:
        version = repository / record.name / "1"
        version.mkdir(parents=True, exist_ok=True)
        (version / ".gitkeep").touch()
        path = repository / record.name / "config.pbtxt"
        path.write_text(render_config(record))
        written.append(path)
    return written


def _tensors(kind: str, tensors: Mapping[str, tuple[str, Dims]]) -> list[str]:
    return [
        f'{kind} {{ name: "{name}", data_type: {dtype}, dims: [ {", ".join(map(str, dims))} ] }}'
        for name, (dtype, dims) in tensors.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the Triton configuration of every variant.")
    parser.add_argument("--write", type=Path, required=True, metavar="DIR", help="the model repository")
    parser.add_argument(
        "--variants-dir", type=Path, metavar="DIR", help="write the variants of this folder's files instead"
    )
    options = parser.parse_args(arguments)
    records = read_variants(options.variants_dir) if options.variants_dir else list(VARIANTS.values())
    for path in write_configs(options.write, records):
        print(path)  # noqa: T201 — the paths are this command's output


if __name__ == "__main__":
    main()
