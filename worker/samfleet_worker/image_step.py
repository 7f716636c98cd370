"""One image of a shard: fetch, prompt, segment, measure. Errors that the image causes become its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from samfleet.budget import Budget
from samfleet.datasets.content import held_bytes, read_image
from samfleet.image_errors import ImageFailed
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.image_quality import everything_quality, prompted_quality
from samfleet.jobs.outcomes import ImageError, ImageOutcome, Quality, ShardImage
from samfleet.jobs.task import EverythingJobTask, JobTask, parse_job_task
from samfleet.logging import get_logger
from samfleet.metrics import TRITON_RETRIES
from samfleet.quality.segmentation import AnnotationOutlineTooLong
from samfleet.quality.sizes import AnnotationSizeMismatch, check_size
from samfleet.storage.store import ObjectStore
from samfleet.tracing import span
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import TaskParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_worker.bootstrap import Services
from samfleet_worker.model_loading import load_variant, revive_variant
from samfleet_worker.prompts import build_prompts, prompt_origins
from samfleet_worker.renewal import LeaseKeeper
from samfleet_worker.triton.calls import CallCancelled
from samfleet_worker.triton.errors import InferenceFailed, InferenceRejected, ModelNotLoaded, ModelProcessDied
from samfleet_worker.triton.segmenter import Segmenter, TimedReply

log = get_logger(__name__)

ATTEMPTS_BEFORE_IMAGE_FAILS = 2  # then an internal error of Triton counts as the image's, and the others continue
FETCH_STAGE = "fetch"
INFERENCE_STAGE = "encode"  # Triton does not say which stage failed; encoding is the first that can


@dataclass(frozen=True, slots=True)
class ImageStep:
    store: ObjectStore
    segmenter: Segmenter
    lease: LeaseKeeper
    variant: str
    task: JobTask
    parameters: TaskParameters
    attempts: int
    max_image_bytes: int
    max_pixels: int
    image_bytes: Budget | None
    suspect: bool  # runs alone in this worker, so that the cause of a crash of Triton is certain
    reload: Callable[[], None]  # loads the variant again if the server was restarted or has unloaded it for another
    revive: Callable[[float], None]  # restarts its process, which a request of that time found dead

    @classmethod
    def of(cls, services: Services, claimed: ClaimedShard, lease: LeaseKeeper) -> Self:
        task = parse_job_task(claimed.task)
        return cls(
            store=services.store,
            segmenter=services.segmenter,
            lease=lease,
            variant=claimed.variant,
            task=task,
            parameters=task.parameters(get_variant(claimed.variant)),
            attempts=claimed.attempts,
            max_image_bytes=services.settings.max_image_bytes,
            max_pixels=services.settings.max_pixels,
            suspect=claimed.suspect,
            image_bytes=services.image_bytes,
            reload=partial(load_variant, services, claimed),
            revive=partial(revive_variant, services, claimed),
        )

    def __call__(self, image: ShardImage) -> ImageOutcome:
        self.lease.check()
        if self.image_bytes is None:
            return self._segment_image(image)
        with self.image_bytes.take(held_bytes(image.uri, image.size_bytes), check=self.lease.check):
            return self._segment_image(image)

    def _segment_image(self, image: ShardImage) -> ImageOutcome:
        outcome = ImageOutcome(image)
        started = time.perf_counter()
        try:
            with span("fetch", samfleet__image_id=image.image_id):
                data = read_image(self.store, image.uri, self.max_image_bytes)
            outcome = replace(outcome, fetch_ms=(time.perf_counter() - started) * 1e3)
            origins = prompt_origins(self.task, self.parameters, image)
            prompts = build_prompts(self.task, image, origins, data, self.max_pixels)
        except (ImageFailed, AnnotationSizeMismatch) as error:
            outcome = replace(outcome, error=ImageError(error.code, error.message, FETCH_STAGE))
        else:
            request = SegmentRequest(data, self.parameters, prompts)
            outcome = self._segment(replace(outcome, prompted=origins, prompts=prompts), request)
        self.lease.image_done()
        return outcome

    def _segment(self, outcome: ImageOutcome, request: SegmentRequest) -> ImageOutcome:
        try:
            timed = self._infer(request)
        except InferenceRejected as error:
            return replace(outcome, error=ImageError(error.code, error.message, INFERENCE_STAGE))
        except (InferenceFailed, ModelProcessDied) as error:
            if self.attempts < ATTEMPTS_BEFORE_IMAGE_FAILS:
                raise
            if isinstance(error, ModelProcessDied) and not self.suspect:
                raise  # it may be another shard's image
            return replace(outcome, error=ImageError(error.code, error.message, INFERENCE_STAGE))
        return self._outcome_of(outcome, timed)

    def _infer(self, request: SegmentRequest) -> TimedReply:
        sent_at = time.monotonic()
        try:
            return self._call(request)
        except ModelNotLoaded as error:
            self.reload()
            reason = error.code
        except ModelProcessDied as error:
            self.revive(sent_at)
            reason = error.code
        TRITON_RETRIES.labels(self.variant, reason).inc()
        return self._call(request)

    def _call(self, request: SegmentRequest) -> TimedReply:
        try:
            return self.segmenter.segment(self.variant, request, self.lease.calls)
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
        return replace(outcome, masks=timed.reply.masks, quality=self._quality(outcome.image, timed.reply))

    def _quality(self, image: ShardImage, reply: SegmentReply) -> Quality | None:
        measure = everything_quality if isinstance(self.task, EverythingJobTask) else prompted_quality
        if not all(instance.segmentation for instance in image.instances):
            return None  # a box has no pixels to compare with; the run's evaluation reports it
        height, width = reply.report.height, reply.report.width
        try:
            check_size(image.instances, image.stated_size, width, height)
            return measure(reply.masks, image.instances, height, width)
        except (AnnotationSizeMismatch, AnnotationOutlineTooLong) as error:
            # the masks are valid; the run's evaluation fails on the same annotation and reports it
            log.warning("quality.not_measured", image_id=image.image_id, code=error.code, reason=error.message)
            return None
