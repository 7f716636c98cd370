"""Single images that a request to the API waits for, segmented in threads beside the tasks.

They do not wait for a slot of the worker, which shards may hold for long. In Triton they share the queue with the
images of shards.
"""

from __future__ import annotations

import threading
import time

from structlog.contextvars import bound_contextvars

from samfleet.errors import SamfleetError, Unavailable, describe
from samfleet.logging import CORRELATION_ID, get_logger
from samfleet.predictions.errors import PredictionFailed, PredictionTimeout, error_of
from samfleet.predictions.mailbox import Letter, Mailbox
from samfleet.predictions.messages import PredictionReply, PredictionRequest, error_bytes
from samfleet.tracing import span
from samfleet.variants.catalogue import get_variant
from samfleet_worker.bootstrap import Services
from samfleet_worker.model_loading import in_use, loading_of
from samfleet_worker.triton.calls import CallCancelled, OpenCalls
from samfleet_worker.triton.errors import ModelNotLoaded, ModelProcessDied
from samfleet_worker.triton.segmenter import TimedReply

TAKE_SECONDS = 1.0  # of one wait for a request; then the thread looks whether it should end
PAUSE_SECONDS = 5.0  # after a failure of Redis

log = get_logger(__name__)


class PredictionThreads:
    """Threads that take the predictions of the worker's pool, one image each at a time."""

    def __init__(self, services: Services, mailbox: Mailbox) -> None:
        self._services = services
        self._mailbox = mailbox
        self._ended = threading.Event()
        self._calls = OpenCalls()
        self._threads = [
            threading.Thread(target=self._repeat, name=f"prediction-{number}", daemon=True)
            for number in range(services.settings.predictions_in_flight)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no further request, and cancel those at Triton. Their clients are told to ask again."""
        self._ended.set()
        self._calls.cancel()
        for thread in self._threads:
            thread.join(TAKE_SECONDS)

    def _repeat(self) -> None:
        while not self._ended.is_set():
            try:
                serve_one(self._services, self._mailbox, TAKE_SECONDS, self._calls)
            except Unavailable as error:  # Redis is away
                log.warning("predictions.not_taken", code=error.code, reason=error.message)
                self._ended.wait(PAUSE_SECONDS)
            except Exception as error:
                log.exception("predictions.broken", reason=describe(error))
                self._ended.wait(PAUSE_SECONDS)


def serve_one(services: Services, mailbox: Mailbox, wait_seconds: float, all_calls: OpenCalls) -> bool:
    """Take a request and reply to it; return False if none arrived. Raises `QueueUnavailable` if Redis is away.

    `all_calls` are cancelled when the worker stops.
    """
    letter = mailbox.take(services.settings.pool, wait_seconds)
    if letter is None:
        return False
    mailbox.answer(letter, _reply_to(services, letter, all_calls))
    return True


def _reply_to(services: Services, letter: Letter, all_calls: OpenCalls) -> bytes:
    """Return the reply, which is an error if anything fails: somebody waits for it."""
    try:
        asked = PredictionRequest.from_bytes(letter.content)
        with bound_contextvars(**{CORRELATION_ID: asked.correlation_id}), span("predict"):
            timed = _segmented(services, asked, letter.seconds_left, all_calls)
        report = timed.reply.report
        if report.error_code is not None:
            message = report.error_message or "the backend gave no reason"
            return error_bytes(error_of({"code": report.error_code, "message": message, "invalid": True}))
        return PredictionReply(timed.reply.masks, report, timed.round_trip_ms).to_bytes()
    except CallCancelled:
        stops = all_calls.cancelled
        log.info("prediction.cancelled", worker_stops=stops)
        return error_bytes(PredictionFailed("the worker stops; try again") if stops else PredictionTimeout())
    except SamfleetError as error:
        log.info("prediction.failed", code=error.code, reason=error.message)
        return error_bytes(error)
    except Exception as error:  # a defect must not leave the client without a reply
        log.exception("prediction.broken")
        return error_bytes(PredictionFailed(f"the worker failed ({describe(error)}); its log has more"))


def _segmented(services: Services, asked: PredictionRequest, seconds_left: float, all_calls: OpenCalls) -> TimedReply:
    """Segment the image in the time for which the caller waits; then the request at Triton is cancelled."""
    get_variant(asked.variant).require_accepted(services.settings.accept_licenses)
    calls = OpenCalls()
    timer = threading.Timer(seconds_left, calls.cancel)
    timer.start()
    try:
        with all_calls.opened(calls.cancel):
            if not services.segmenter.has(asked.variant):
                _load(services, asked.variant)
            return _call(services, asked, calls)
    finally:
        timer.cancel()


def _call(services: Services, asked: PredictionRequest, calls: OpenCalls) -> TimedReply:
    sent_at = time.monotonic()
    try:
        return services.segmenter.segment(asked.variant, [asked.request], calls)[0]
    except ModelNotLoaded:
        _load(services, asked.variant)
    except ModelProcessDied:
        with loading_of(services, services.settings.pool):
            services.segmenter.revive(asked.variant, in_use(services), sent_at)
    return services.segmenter.segment(asked.variant, [asked.request], calls)[0]


def _load(services: Services, variant: str) -> None:
    """Load the variant; those that jobs use stay loaded."""
    with loading_of(services, services.settings.pool):
        if not services.segmenter.has(variant):
            services.segmenter.load(variant, in_use(services))
