"""Engines for the steps: MobileSAM with its published file, others with weights rebuilt from the parity cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.gpu_check.options import Options
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.checkpoints.loading import file_sha256
from samfleet_models.parity.cases import find_cases
from samfleet_models.serving.engine import Engine, EngineSettings

MOBILE_SAM = "mobile_sam"


def weights_dir(options: Options) -> Path:
    """Return a folder that has MobileSAM's file under its published name."""
    folder = Path(options.work) / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / get_variant(MOBILE_SAM).checkpoint.filename
    if not link.exists():
        link.symlink_to(Path(options.mobile_sam).resolve())
    return folder


def variant_of(name: str, options: Options) -> tuple[VariantRecord, Path]:
    """Return a record and its weights; rebuilt weights are written once into the work folder."""
    record = get_variant(name)
    if name == MOBILE_SAM:
        return record, weights_dir(options) / record.checkpoint.filename
    path = weights_dir(options) / f"standin_{name}.pt"
    if not path.exists():
        (cases,) = find_cases(Path(options.parity) / name)
        state = cases.state()
        key = record.checkpoint.state_key
        torch.save({key: state} if key else state, path)
    checkpoint = replace(record.checkpoint, filename=path.name, sha256=file_sha256(path))
    return replace(record, checkpoint=checkpoint), path


@contextmanager
def engine_of(name: str, options: Options, execution: Execution | None = None) -> Iterator[Engine]:
    record, path = variant_of(name, options)
    settings = EngineSettings(device=options.device, execution=execution or Execution(), ungated=True)
    with closing(Engine(record, path, settings)) as engine:
        yield engine


def everything(engine: Engine, images: list[bytes], per_side: int) -> list[SegmentReply]:
    """Run SegEvery over the images, in batches of the variant's size; raise if an image fails."""
    replies = segment(engine, images, per_side)
    for reply in replies:
        if reply.report.error_code is not None:
            raise RuntimeError(f"{reply.report.error_code}: {reply.report.error_message}")
    return replies


def segment(engine: Engine, images: list[bytes], per_side: int) -> list[SegmentReply]:
    """Return the replies to all images in order, including failures."""
    task = replace(engine.record.everything, points_per_side=per_side)
    size = engine.record.max_batch_size
    replies: list[SegmentReply] = []
    for start in range(0, len(images), size):
        found = dict(engine.segment([SegmentRequest(image, task) for image in images[start : start + size]]))
        replies += [found[position] for position in range(len(found))]
    return replies
