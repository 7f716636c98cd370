"""Results of earlier runs that a job with `reuse_results` takes over instead of computing them again.

An image's masks are determined by its bytes, the variant's record, the code, the weights and the task. A result is
taken over if all of these are those of the earlier run, and the pool is the same, whose machines count as alike. The
worker that carries out a shard decides this, and copies the masks into the shard's own part. So nothing depends on the
earlier job, which may be deleted at any time, and a shard's results are recorded at once, wherever they come from.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from samfleet.datasets.content import is_unchanged
from samfleet.datasets.version_changes import same_bytes
from samfleet.db.models import DatasetImage, ImageResult, Job, Outcome, Run
from samfleet.db.session import transaction
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.outcomes import ImageOutcome, ShardImage, mean_of
from samfleet.jobs.parts import OF_MANIFEST, about_image, part_row
from samfleet.logging import get_logger
from samfleet.storage.jsonl import PartFileDamaged, read_jsonl_zst
from samfleet.storage.store import ObjectNotFound, ObjectStore
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pins import known_sha256
from samfleet.version import code_version

log = get_logger(__name__)

RUNS_SEARCHED = 20  # the newest ones alike; each costs a shard an index entry per image


@dataclass(frozen=True, slots=True)
class EarlierResult:
    """A result of the same image, with the place of its masks. `run_id` is the run that computed it."""

    dataset_image_id: int
    run_id: uuid.UUID
    part_key: str
    part_line: int
    mask_count: int
    width: int | None
    height: int | None
    checkpoint_sha256: str | None
    uri: str
    size_bytes: int
    modified_ns: int | None
    changed_ns: int | None


@dataclass(frozen=True, slots=True)
class ReusedImage:
    """An image of a shard with the line of an earlier part that has its masks."""

    image: ShardImage
    earlier: EarlierResult
    line: Mapping[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """Return the line of the new part: ids, name and metadata are those of the new dataset."""
        of_masks = {name: value for name, value in self.line.items() if name not in OF_MANIFEST}
        return {**of_masks, **about_image(self.image), "reused_from": str(self.earlier.run_id)}


def model_sha256(record: VariantRecord) -> str:
    """Return a hash of what turns bytes into masks, except weights and task: the variant's record and the code."""
    return hashlib.sha256(f"{code_version()}\n{record!r}".encode()).hexdigest()


def current_weights(record: VariantRecord, weights_dir: Path) -> str | None:
    """Return the hash that a result computed now would have as its `checkpoint_sha256`.

    None if it is unknown: nothing is published or pinned here, or a companion has no published hash, because results
    do not have the hashes of companions.
    """
    if any(companion.sha256 is None for companion in record.companions.values()):
        return None
    return known_sha256(record.checkpoint, weights_dir)


def take_over(engine: Engine, store: ObjectStore, claimed: ClaimedShard, checkpoint_sha256: str) -> list[ReusedImage]:
    """Return the images of a shard that need not be computed, in its order.

    An earlier part that cannot be read, because its job was deleted meanwhile, is left out.
    """
    with transaction(engine) as session:
        found = find_earlier(session, claimed, checkpoint_sha256)
    kept = [one for one in found if is_unchanged(one.uri, one.size_bytes, one.modified_ns, one.changed_ns)]
    by_part: dict[str, dict[int, EarlierResult]] = defaultdict(dict)
    for one in kept:
        by_part[one.part_key][one.part_line] = one
    lines: dict[int, tuple[EarlierResult, Mapping[str, Any]]] = {}
    for key, wanted in by_part.items():
        try:
            lines.update(
                {wanted[place].dataset_image_id: (wanted[place], row) for place, row in _lines(store, key, wanted)}
            )
        except (ObjectNotFound, PartFileDamaged) as error:
            log.warning("reuse.part_left_out", part=key, code=error.code, reason=error.message)
    ids = (image for image in claimed.images if image.dataset_image_id in lines)
    return [ReusedImage(image, *lines[image.dataset_image_id]) for image in ids]


def shard_rows(
    claimed: ClaimedShard, outcomes: Sequence[ImageOutcome], reused: Sequence[ReusedImage]
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a part in the order of the shard, some of which are taken over."""
    computed = {outcome.image.dataset_image_id: outcome for outcome in outcomes}
    taken = {one.image.dataset_image_id: one for one in reused}
    for image in claimed.images:
        key = image.dataset_image_id
        yield taken[key].row if key in taken else part_row(computed[key])


def reused_row(claimed: ClaimedShard, one: ReusedImage, lines: Mapping[int, int], part_key: str) -> dict[str, Any]:
    """Return the row of an image that was taken over. It has no times or hardware: nothing was measured."""
    return {
        "run_id": claimed.run_id,
        "dataset_image_id": one.image.dataset_image_id,
        "image_id": one.image.image_id,
        "shard_id": claimed.shard_id,
        "outcome": Outcome.SUCCEEDED,
        "part_key": part_key,
        "part_line": lines[one.image.dataset_image_id],
        "mask_count": one.earlier.mask_count,
        "predicted_iou": mean_of([mask["predicted_iou"] for mask in one.line["masks"]]),
        "width": one.earlier.width,
        "height": one.earlier.height,
        "checkpoint_sha256": one.earlier.checkpoint_sha256,
        "reused_from": one.earlier.run_id,
    }


def count_reused(run: Run, reused: Sequence[ReusedImage]) -> None:
    """Add images that were taken over to the counters of a locked run."""
    run.succeeded += len(reused)
    run.reused += len(reused)
    run.masks += sum(one.earlier.mask_count for one in reused)
    weights = {one.earlier.checkpoint_sha256 for one in reused if one.earlier.checkpoint_sha256}
    known = set(run.provenance.get("checkpoint_sha256", ()))
    run.provenance = {**run.provenance, "checkpoint_sha256": sorted(known | weights)}


def find_earlier(session: Session, claimed: ClaimedShard, checkpoint_sha256: str) -> Sequence[EarlierResult]:
    """Return the newest result of each image of the shard that has one in a run alike of the same tenant.

    Images are found by file name, the only index for it, then compared by `same_bytes`.
    """
    run = session.get_one(Run, claimed.run_id)
    owner = select(Job.tenant_id).where(Job.id == run.job_id).scalar_subquery()
    alike = (
        select(Run.id, Job.dataset_id)
        .join(Job, Job.id == Run.job_id)
        .where(Job.tenant_id == owner, Job.deleted_at.is_(None), Run.id != run.id, Run.succeeded > 0)
        .where(Run.variant == run.variant, Run.pool == run.pool, Run.task == run.task)
        .where(Run.model_sha256 == run.model_sha256)
        .order_by(Run.created_at.desc())
        .limit(RUNS_SEARCHED)
        .subquery()
    )
    new, old, result = aliased(DatasetImage), aliased(DatasetImage), ImageResult
    stated = and_(new.stated_width == result.width, new.stated_height == result.height)  # another fails the image
    query = (
        select(
            new.id, _origin(), result.part_key, result.part_line, result.mask_count, result.width, result.height,
            result.checkpoint_sha256, new.uri, new.size_bytes, new.modified_ns, new.changed_ns,
        )
        .select_from(new)
        .join(alike, alike.c.dataset_id.is_not(None))
        .join(old, (old.dataset_id == alike.c.dataset_id) & (old.file_name == new.file_name))
        .join(result, (result.run_id == alike.c.id) & (result.dataset_image_id == old.id))
        .where(new.id.in_([image.dataset_image_id for image in claimed.images]), same_bytes(new, old))
        .where(or_(new.stated_width.is_(None), stated))
        .where(result.outcome == Outcome.SUCCEEDED, result.checkpoint_sha256 == checkpoint_sha256)
        .ext(distinct_on(new.id))
        .order_by(new.id, result.created_at.desc())
    )  # fmt: skip
    return [EarlierResult(*row) for row in session.execute(query)]


def _origin() -> Any:
    """Return the run that computed a result, which may itself be taken over."""
    return func.coalesce(ImageResult.reused_from, ImageResult.run_id)


def _lines(store: ObjectStore, key: str, wanted: Mapping[int, object]) -> Iterator[tuple[int, dict[str, Any]]]:
    last = max(wanted)
    for place, row in enumerate(read_jsonl_zst(store, key)):
        if place in wanted:
            yield place, row
        if place == last:
            return
