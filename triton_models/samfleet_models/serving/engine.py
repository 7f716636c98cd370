"""Runs batches of requests through one loaded variant. Does not depend on Triton."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet.limits import MAX_MASK_BYTES, MAX_PROMPTS_PER_IMAGE
from samfleet.masks.record import MaskRecord
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.pins import expected_sha256
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest, StageTime
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.batching.chunks import ScheduledImage
from samfleet_models.batching.scheduler import PromptScheduler
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.device.gpu_memory import give_back_unused
from samfleet_models.device.hardware import choose_device, fingerprint, prepare_device
from samfleet_models.device.host_load import HostLoad
from samfleet_models.device.memory import NotEnoughMemory, attempt
from samfleet_models.device.meters.energy import BatchEnergy
from samfleet_models.device.meters.factory import open_meter
from samfleet_models.device.meters.meter import DeviceMeter, DeviceWatch
from samfleet_models.device.peak_memory import PeakMemory
from samfleet_models.device.timing import StageClock
from samfleet_models.images.decode import DEFAULT_DECODE_PIXELS, DEFAULT_MAX_PIXELS, PixelBudget
from samfleet_models.images.loading import Failure, Limits, LoadedImage, load, out_of_memory
from samfleet_models.modeling.common import Features
from samfleet_models.networks.registry import network_of, require_int8
from samfleet_models.precision.admission import admit, calibration_for
from samfleet_models.precision.dtypes import require_products

ENCODED_AT_A_TIME = {"cpu": 1, "cuda": 64}  # as in the networks; cancelled requests are dropped between batches


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of an engine.

    `device` is auto, cpu or cuda, `gpu` the index that auto takes; `threads` bounds torch on the CPU (None: torch's own
    number). `kernels` chooses the compiled CPU kernels (`samfleet_kernels.library.Choice`; None: the process's choice).
    Every execution except the reference needs its passed gate in `gates_dir`; only measurements may be
    `ungated`. The calibration of int8 is there too.
    """

    device: str = "auto"
    gpu: int = 0
    threads: int | None = None
    kernels: str | None = None
    decode_threads: int = 4
    max_pixels: int = DEFAULT_MAX_PIXELS
    max_prompts: int = MAX_PROMPTS_PER_IMAGE
    max_mask_bytes: int = MAX_MASK_BYTES
    decode_pixels: int = DEFAULT_DECODE_PIXELS
    triton_version: str | None = None
    execution: Execution = field(default_factory=Execution)
    gates_dir: Path | None = None
    ungated: bool = False


@dataclass(slots=True)
class Batch:
    """State shared by the images of one call: `loading` times all images, `encoding` the encoded ones."""

    size: int
    loading: StageClock
    encoding: StageClock
    energy: BatchEnergy
    warmup: bool = False
    started: float = field(default_factory=time.perf_counter)


class Engine:
    """One variant on one device. Not thread-safe: it runs one batch at a time, as a Triton instance calls it."""

    def __init__(
        self,
        record: VariantRecord,
        checkpoint: Path,
        settings: EngineSettings | None = None,
        meter: DeviceMeter | None = None,
    ) -> None:
        """Load the variant. `meter` defaults to the device's own."""
        settings = settings or EngineSettings()
        self.record = record
        self.device = choose_device(settings.device, settings.gpu)
        prepare_device(self.device, settings.threads, settings.kernels)
        self.execution = settings.execution
        require_products(self.execution.products, self.device)
        self.hardware = fingerprint(self.device, settings.triton_version, self.execution)
        self.checkpoint_sha256 = expected_sha256(record.checkpoint, checkpoint.parent)
        conditions = (self.execution, self.hardware, self.checkpoint_sha256)
        if self.execution.precision == "int8":
            require_int8(record)
        calibration, digest = calibration_for(record, self.execution, self.checkpoint_sha256, settings.gates_dir)
        self.gate = None
        if not settings.ungated:
            self.gate = admit(record, *conditions, settings.gates_dir, digest)
        self.network = network_of(record, self.execution, calibration)
        load_weights(self.network, record, checkpoint)
        self.network.to(self.device)
        self.warmup_seconds = self.network.warm_up()
        self._limits = Limits(settings.max_pixels, settings.max_prompts, PixelBudget(settings.decode_pixels))
        self._max_mask_bytes = settings.max_mask_bytes
        self._pool = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="image")
        self._watch = DeviceWatch(meter or open_meter(self.device))
        self._host_load = HostLoad()
        self._peak = PeakMemory(self.device)
        self._warm: set[str] = set()

    def close(self) -> None:
        self._pool.shutdown()
        self._watch.meter.close()

    def segment(
        self, requests: Sequence[SegmentRequest], cancelled: Sequence[Cancelled] = ()
    ) -> Iterator[tuple[int, SegmentReply]]:
        """Yield (position, reply) of every request, each as soon as it is ready, not in order.

        `cancelled` has a function per request that returns whether its client has cancelled it; empty means never. It
        is called before an image is read and encoded and between the decoder's chunks. A cancelled request gets the
        error `request_cancelled` as its reply.

        A bad image or task, or an image too large for the memory, becomes a reply with an error and does not affect the
        others. Any other exception is a bug in this program and ends the iteration. A request without prompts in a
        prompted task has no masks; its image is still read and checked, but not encoded.
        """
        batch = self._begin(len(requests))
        self._peak.reset()
        cancellations = dict(enumerate(cancelled or [never] * len(requests)))
        images: dict[int, LoadedImage] = {}
        for position, loaded in self._load(requests, cancellations, batch):
            request = requests[position]
            if isinstance(loaded, Failure):
                yield position, self._failed(batch, loaded)
            elif request.prompts or not request.task.prompted:
                images[position] = loaded
            else:
                yield position, self._reply(batch, loaded, self._clock(batch), ())
        if not images:
            return
        batch.warmup = self._is_first({type(requests[position].task).__name__ for position in images})
        scheduled: dict[int, ScheduledImage] = {}
        for position, features in self._features(images, cancellations, batch).items():
            if isinstance(features, Failure):
                yield position, self._failed(batch, features, images.pop(position))
                continue
            clock = self._clock(batch, encoded=len(images))
            task = self.network.segment(requests[position], images[position], features, clock)
            scheduled[position] = ScheduledImage(position, task, clock, cancelled=cancellations[position])
        for position, outcome in PromptScheduler(self.network, self._max_mask_bytes).run(scheduled.values()):
            yield position, self._ended(batch, images.pop(position), scheduled.pop(position), outcome)
        give_back_unused(self.device, self.network.graph_bytes)

    def _ended(
        self, batch: Batch, image: LoadedImage, task: ScheduledImage, outcome: tuple[MaskRecord, ...] | Failure
    ) -> SegmentReply:
        if isinstance(outcome, Failure):
            return self._failed(batch, outcome, image)
        counts = {"prompts_decoded": task.prompts_decoded, "unscored_prompts": task.unscored_prompts}
        return self._reply(batch, image, task.clock, outcome, **counts)

    def _is_first(self, kinds: set[str]) -> bool:
        """Return True for a batch that pays for lazy initialisation and kernel selection.

        That is the first batch that reaches the network. On a GPU it is the first of each kind of task, because chunks
        of other sizes need other kernels and memory.
        """
        paid = kinds if self.device.type == "cuda" else {"any"}
        first = not paid <= self._warm
        self._warm |= paid
        return first

    def refuse(self, error: SamfleetError) -> SegmentReply:
        """Return the reply to a request that could not be unpacked."""
        return self._failed(self._begin(1), Failure(error, "preprocess"))

    def _begin(self, size: int) -> Batch:
        self._host_load.begin()
        energy = BatchEnergy(self._watch.meter, size)
        return Batch(size, StageClock(self.device), StageClock(self.device), energy)

    def _load(
        self, requests: Sequence[SegmentRequest], cancellations: Mapping[int, Cancelled], batch: Batch
    ) -> Iterator[tuple[int, LoadedImage | Failure]]:
        name, processor = self.record.name, self.network.processor
        wanted = [position for position in cancellations if not cancellations[position]()]
        several = map if len(wanted) == 1 else self._pool.map
        with batch.loading.measure("preprocess"):
            loaded = list(several(lambda position: load(requests[position], name, processor, self._limits), wanted))
        yield from zip(wanted, loaded, strict=True)
        for position in cancellations.keys() - set(wanted):
            yield position, Failure(RequestCancelled(), "preprocess")

    def _features(
        self, images: Mapping[int, LoadedImage], cancellations: Mapping[int, Cancelled], batch: Batch
    ) -> dict[int, Features | Failure]:
        """Encode all images except those of cancelled requests."""
        found: dict[int, Features | Failure] = {}
        size = ENCODED_AT_A_TIME[self.device.type]
        for start in range(0, len(images), size):
            part = list(images)[start : start + size]
            dropped = [position for position in part if cancellations[position]()]
            found |= dict.fromkeys(dropped, Failure(RequestCancelled(), "encode"))
            if wanted := {position: images[position] for position in part if position not in dropped}:
                found |= self._encode(wanted, batch)
        return found

    def _encode(self, images: Mapping[int, LoadedImage], batch: Batch) -> dict[int, Features | Failure]:
        """Return the features of all images together, or one by one if they do not fit together."""
        together = attempt(lambda: self.network.embed([image.resized for image in images.values()], batch.encoding))
        if not isinstance(together, NotEnoughMemory):
            return dict(zip(images, together, strict=True))
        self.network.release_memory()
        if len(images) == 1:
            return dict.fromkeys(images, out_of_memory(together, "encode"))
        outcomes: dict[int, Features | Failure] = {}
        for position, image in images.items():
            outcomes |= self._encode({position: image}, batch)
        return outcomes

    def _clock(self, batch: Batch, encoded: int = 0) -> StageClock:
        """Make an image's clock, with its share of the batch's work for all images read and for all `encoded`."""
        clock = StageClock(self.device)
        clock.join(batch.loading, 1 / batch.size)
        if encoded:
            clock.join(batch.encoding, 1 / encoded)
        return clock

    def _reply(
        self,
        batch: Batch,
        image: LoadedImage,
        clock: StageClock,
        masks: tuple[MaskRecord, ...],
        **counts: int,
    ) -> SegmentReply:
        height, width = image.frame.original
        stages = clock.stage_times()
        report = self._report(batch, stages, width=width, height=height, **counts)
        return SegmentReply(masks, report)

    def _failed(self, batch: Batch, failure: Failure, image: LoadedImage | None = None) -> SegmentReply:
        height, width = image.frame.original if image else (0, 0)
        error = {
            "error_code": failure.error.code,
            "error_message": failure.error.message,
            "error_stage": failure.stage,
        }
        return SegmentReply((), self._report(batch, {}, width=width, height=height, **error))

    def _report(self, batch: Batch, stages: dict[str, StageTime], /, **fields: object) -> ImageReport:
        return ImageReport(
            stages=stages,
            batch_size=batch.size,
            clock=batch.loading.kind,
            warmup=batch.warmup,
            execute_ms=(time.perf_counter() - batch.started) * 1e3,
            energy_j=batch.energy.share(sum(stage.amortised_ms for stage in stages.values())),
            other_load=self._host_load.share(),
            peak_memory_bytes=self._peak.used_bytes(),
            peak_reserved_bytes=self._peak.reserved_bytes(),
            checkpoint_sha256=self.checkpoint_sha256,
            hardware=self.hardware,
            device=self._watch.state(),
            execution=str(self.execution),
            warmup_seconds=self.warmup_seconds,
            gate=self.gate.summary() if self.gate else None,
            **fields,  # type: ignore[arg-type]  # the two callers pass each field in its own type
        )
