"""Some images of a shard, together in one request: fetch, prompt, segment, measure. Large ones go tile by tile.

Errors that an image causes become its outcome.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

from samfleet.budget import Budget
from samfleet.datasets.content import Remote, held_bytes, read_image
from samfleet.errors import SamfleetError
from samfleet.image_errors import ImageFailed
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.image_quality import everything_quality, prompted_quality
from samfleet.jobs.outcomes import ImageError, ImageOutcome, Quality, ShardImage
from samfleet.jobs.task import EverythingJobTask, JobTask, PromptsJobTask, parse_job_task
from samfleet.logging import get_logger
from samfleet.masks.georeference import read_georeference
from samfleet.masks.image_file import upright_size
from samfleet.masks.large import PixelLimits, size_by_limits
from samfleet.metrics import TRITON_RETRIES
from samfleet.quality.segmentation import AnnotationOutlineTooLong
from samfleet.quality.sizes import AnnotationSizeMismatch, check_size
from samfleet.storage.store import ObjectStore
from samfleet.tracing import span
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import Prompt, TaskParameters
from samfleet.variants.tiling import Tiling
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.bootstrap import Services
from samfleet_worker.image_groups import ImageGroups
from samfleet_worker.model_loading import load_variant, revive_variant
from samfleet_worker.prompts import build_prompts, prompt_origins
from samfleet_worker.renewal import LeaseKeeper
from samfleet_worker.request_window import CHECK_SECONDS, RequestWindow
from samfleet_worker.tiles.merge import suppression_threshold
from samfleet_worker.tiles.placing import place_prompts
from samfleet_worker.tiles.prompted import PromptedImage, segment_prompted
from samfleet_worker.tiles.step import TiledImage, segment_tiled
from samfleet_worker.triton.calls import CallCancelled
from samfleet_worker.triton.errors import InferenceFailed, InferenceRejected, ModelNotLoaded, ModelProcessDied
from samfleet_worker.triton.segmenter import Segmenter, TimedReply

log = get_logger(__name__)

ATTEMPTS_BEFORE_IMAGE_FAILS = 2  # then an internal error of Triton counts as the image's, and the others continue
FETCH_STAGE = "fetch"
INFERENCE_STAGE = "encode"  # Triton does not say which stage failed; encoding is the first that can


@dataclass(frozen=True, slots=True)
class PreparedImage:
    outcome: ImageOutcome
    request: SegmentRequest | None  # None if the outcome is already known


@dataclass(frozen=True, slots=True)
class ImageStep:
    store: ObjectStore
    remote: Remote
    segmenter: Segmenter
    lease: LeaseKeeper
    groups: ImageGroups
    window: RequestWindow
    variant: str
    task: JobTask
    parameters: TaskParameters
    attempts: int
    max_image_bytes: int
    image_bytes: Budget | None
    suspect: bool  # runs alone in this worker, so that the cause of a crash of Triton is certain
    reload: Callable[[], None]  # loads the variant again if the server was restarted or has unloaded it for another
    revive: Callable[[float], None]  # restarts its process, which a request of that time found dead
    tiling: Tiling | None
    tiles_in_flight: int
    tile_limits: PixelLimits
    decoding: threading.Lock = field(default_factory=threading.Lock)  # held while an image in tiles is in memory

    @classmethod
    def of(cls, services: Services, claimed: ClaimedShard, lease: LeaseKeeper) -> Self:
        """Make the step of a shard. After a failure each image has its own request, so that the cause is certain."""
        task = parse_job_task(claimed.task)
        record = get_variant(claimed.variant)
        in_groups = claimed.attempts == 0 and not claimed.suspect
        most = record.bounded(services.settings.max_batch_size).max_batch_size
        return cls(
            store=services.store,
            remote=services.remote,
            segmenter=services.segmenter,
            lease=lease,
            groups=ImageGroups(claimed.images, most=most if in_groups else 1),
            window=RequestWindow(services.settings.images_in_flight),
            variant=claimed.variant,
            task=task,
            parameters=task.parameters(record),
            attempts=claimed.attempts,
            max_image_bytes=services.settings.max_image_bytes,
            suspect=claimed.suspect,
            image_bytes=services.image_bytes,
            reload=partial(load_variant, services, claimed),
            revive=partial(revive_variant, services, claimed),
            tiling=task.tile,
            tiles_in_flight=services.settings.images_in_flight,
            tile_limits=PixelLimits(services.settings.max_pixels, services.settings.max_tiled_pixels),
        )

    def __call__(self) -> list[ImageOutcome]:
        """Segment images until no group is left; several threads may do so side by side."""
        outcomes: list[ImageOutcome] = []
        while group := self.groups.take():
            self.lease.check()
            with self._held(group):
                outcomes += self._segment_group([self._prepare(image) for image in group])
            self.lease.images_done(len(group))
        return outcomes

    def _held(self, group: Sequence[ShardImage]) -> AbstractContextManager[None]:
        if self.image_bytes is None:
            return nullcontext()
        held = sum(held_bytes(image.uri, image.size_bytes) for image in group)
        return self.image_bytes.take(held, check=self.lease.check)

    def _prepare(self, image: ShardImage) -> PreparedImage | TiledImage | PromptedImage:
        outcome = ImageOutcome(image)
        started = time.perf_counter()
        try:
            with span("fetch", samfleet__image_id=image.image_id):
                data = read_image(self.store, image.uri, self.max_image_bytes, self.remote)
            fetch_ms = (time.perf_counter() - started) * 1e3
            outcome = replace(outcome, fetch_ms=fetch_ms, georeference=read_georeference(data))
            origins = prompt_origins(self.task, self.parameters, image)
            prompts = build_prompts(self.task, image, origins, partial(self._size, data))
            outcome = replace(outcome, prompted=origins, prompts=prompts)
            tiled = self._in_tiles(outcome, data)
        except (ImageFailed, AnnotationSizeMismatch) as error:
            failed = ImageError(error.code, error.message, FETCH_STAGE)
            return PreparedImage(replace(outcome, error=failed), None)
        return tiled or PreparedImage(outcome, SegmentRequest(data, self.parameters, prompts))

    def _size(self, data: bytes) -> tuple[int, int]:
        return size_by_limits(data, self.tile_limits) if self.tiling else upright_size(data, self.tile_limits.whole)

    def _in_tiles(self, outcome: ImageOutcome, data: bytes) -> TiledImage | PromptedImage | None:
        """Return the image with its tiles, if the job has tiles and the image is larger than one."""
        if self.tiling is None:
            return None
        size = self._size(data)
        if max(size) <= self.tiling.size:
            return None
        if isinstance(self.task, PromptsJobTask):
            return PromptedImage(outcome, data, size, place_prompts(outcome.prompts, size, self.tiling))
        return TiledImage(outcome, data, self.tiling.windows(*size))

    def _segment_group(self, prepared: Sequence[PreparedImage | TiledImage | PromptedImage]) -> list[ImageOutcome]:
        """Segment the images that could be read: those without tiles in one request."""
        together = [image for image in prepared if isinstance(image, PreparedImage) and image.request is not None]
        segmented = iter(self._segment(together) if together else ())
        outcomes = []
        for image in prepared:
            if isinstance(image, TiledImage | PromptedImage):
                outcomes.append(self._segment_in_tiles(image))
            else:
                outcomes.append(image.outcome if image.request is None else next(segmented))
        return outcomes

    def _segment_in_tiles(self, image: TiledImage | PromptedImage) -> ImageOutcome:
        """Segment an image tile by tile. One such image of the shard is decoded at a time."""
        while not self.decoding.acquire(timeout=CHECK_SECONDS):
            self.lease.check()
        try:
            outcome = self._segment_tiles(image)
        finally:
            self.decoding.release()
        return outcome if outcome.error else replace(outcome, quality=self._quality(outcome))

    def _segment_tiles(self, image: TiledImage | PromptedImage) -> ImageOutcome:
        segment, stop = partial(self._segment_tile, image.outcome.image), self.lease.calls.cancel
        limits, at_a_time = self.tile_limits, self.tiles_in_flight
        if isinstance(image, PromptedImage):
            return segment_prompted(image, segment, limits=limits, at_a_time=at_a_time, stop=stop)
        nms_thresh = suppression_threshold(self.parameters)
        return segment_tiled(image, segment, limits=limits, nms_thresh=nms_thresh, at_a_time=at_a_time, stop=stop)

    def _segment_tile(self, image: ShardImage, file: bytes, prompts: Sequence[Prompt] = ()) -> ImageOutcome:
        self.lease.check()
        alone = replace(image, annotations=())  # they are those of the whole image
        request = SegmentRequest(file, self.parameters, tuple(prompts))
        [outcome] = self._segment([PreparedImage(ImageOutcome(alone), request)])
        self.lease.moved()
        return outcome

    def _segment(self, images: Sequence[PreparedImage]) -> list[ImageOutcome]:
        """Segment images together; Triton rejects a request as a whole, so then each is sent alone."""
        requests = [image.request for image in images if image.request is not None]
        outcomes = [image.outcome for image in images]
        try:
            replies = self._infer(requests)
        except InferenceRejected as error:
            if len(images) > 1:
                return [outcome for image in images for outcome in self._segment([image])]
            return [_failed(outcomes[0], error)]
        except (InferenceFailed, ModelProcessDied) as error:
            if self.attempts < ATTEMPTS_BEFORE_IMAGE_FAILS:
                raise
            if isinstance(error, ModelProcessDied) and not self.suspect:
                raise  # it may be another shard's image
            return [_failed(outcome, error) for outcome in outcomes]  # one: `of` makes no groups after a failure
        return [self._outcome_of(outcome, timed) for outcome, timed in zip(outcomes, replies, strict=True)]

    def _infer(self, requests: Sequence[SegmentRequest]) -> Sequence[TimedReply]:
        with self.window.place(self.lease.check):
            replies = self._infer_again_if_away(requests)
        slowest = max(replies, key=lambda timed: timed.reply.report.execute_ms)
        execute_ms = slowest.reply.report.execute_ms
        self.window.heard(slowest.round_trip_ms - execute_ms, execute_ms)
        self.groups.heard(slowest.reply.report)
        return replies

    def _infer_again_if_away(self, requests: Sequence[SegmentRequest]) -> Sequence[TimedReply]:
        sent_at = time.monotonic()
        try:
            return self._call(requests)
        except ModelNotLoaded as error:
            self.reload()
            reason = error.code
        except ModelProcessDied as error:
            self.revive(sent_at)
            reason = error.code
        TRITON_RETRIES.labels(self.variant, reason).inc()
        return self._call(requests)

    def _call(self, requests: Sequence[SegmentRequest]) -> Sequence[TimedReply]:
        try:
            return self.segmenter.segment(self.variant, requests, self.lease.calls)
        except CallCancelled:
            self.lease.check()  # raises the reason
            raise  # another image of the shard cancelled it

    def _outcome_of(self, outcome: ImageOutcome, timed: TimedReply) -> ImageOutcome:
        report = timed.reply.report
        outcome = replace(outcome, report=report, round_trip_ms=timed.round_trip_ms)
        if report.error_code is not None:
            stage = report.error_stage or "preprocess"
            message = report.error_message or "the backend gave no reason"
            return replace(outcome, error=ImageError(report.error_code, message, stage))
        outcome = replace(outcome, masks=timed.reply.masks)
        return replace(outcome, quality=self._quality(outcome))

    def _quality(self, outcome: ImageOutcome) -> Quality | None:
        image, report = outcome.image, outcome.report
        measure = everything_quality if isinstance(self.task, EverythingJobTask) else prompted_quality
        if isinstance(self.task, PromptsJobTask) and self.task.prompt == "file":
            return None  # its prompts are not bound to annotations; the run's evaluation has the recall
        if report is None or not all(instance.segmentation for instance in image.instances):
            return None  # a box has no pixels to compare with; the run's evaluation reports it
        try:
            check_size(image.instances, image.stated_size, report.width, report.height)
            return measure(outcome.masks, image.instances, report.height, report.width)
        except (AnnotationSizeMismatch, AnnotationOutlineTooLong) as error:
            # the masks are valid; the run's evaluation fails on the same annotation and reports it
            log.warning("quality.not_measured", image_id=image.image_id, code=error.code, reason=error.message)
            return None


def _failed(outcome: ImageOutcome, error: SamfleetError) -> ImageOutcome:
    return replace(outcome, error=ImageError(error.code, error.message, INFERENCE_STAGE))
