"""Segmenter without Triton: a function makes the replies, for tests and for trying out the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from samfleet.errors import SamfleetError
from samfleet.masks.record import MaskRecord
from samfleet.wire.messages import ImageReport, SegmentReply, SegmentRequest, StageTime
from samfleet.wire.stages import BACKEND_STAGES
from samfleet_worker.triton.calls import OpenCalls
from samfleet_worker.triton.devices import DeviceBook
from samfleet_worker.triton.errors import ModelNotLoaded, VariantWaits
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply

SIDE = 4
FULL_MASK = "0`0"  # the run-length code of 4 x 4 set pixels


def one_mask_each(_variant: str, request: SegmentRequest) -> SegmentReply:
    """Return whole-image masks of a 4 x 4 image: one per prompt, or one for SegEvery."""
    everything = not request.task.prompted
    masks = tuple(
        MaskRecord(
            counts=FULL_MASK,
            size=(SIDE, SIDE),
            area=SIDE * SIDE,
            bbox=(0.0, 0.0, SIDE - 1.0, SIDE - 1.0),
            predicted_iou=0.9,
            stability_score=0.95,
            prompt_index=None if everything else index,
            point_coords=(1.5, 1.5) if everything else None,
            crop_box=(0, 0, SIDE, SIDE) if everything else None,
        )
        for index in range(1 if everything else len(request.prompts))
    )
    report = ImageReport(
        width=SIDE,
        height=SIDE,
        stages={name: StageTime(1.0, 1.0) for name in BACKEND_STAGES},
        execute_ms=4.0,
        checkpoint_sha256="0" * 64,
        hardware={"device_kind": "memory", "device_name": "no device"},
    )
    return SegmentReply(masks, report)


@dataclass(slots=True)
class MemorySegmenter:
    """Segmenter with replies from `respond`. `before` runs first: it may block, or raise what Triton would.

    `cancel` runs when a request that waits in `before` is cancelled, and must unblock it. `requests` keeps the images
    of all requests in order, `sizes` the number of images of each; `peak_in_flight` is the largest number of
    simultaneous requests. `loaded` is what a server would have
    loaded, the least recently used first, at most `most_loaded`. `loads` lists every load and `revived` every restarted
    process; loading a variant in `refuse` raises its error.
    """

    respond: Callable[[str, SegmentRequest], SegmentReply] = one_mask_each
    before: Callable[[SegmentRequest], None] = lambda _request: None
    cancel: Callable[[], None] = lambda: None
    ready: bool = True
    requests: list[SegmentRequest] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    peak_in_flight: int = 0
    loaded: list[str] = field(default_factory=lambda: ["mobile_sam"])
    most_loaded: int | None = None
    loads: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    refuse: Mapping[str, SamfleetError] = field(default_factory=dict)
    devices: DeviceBook = field(default_factory=DeviceBook)
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def segment(
        self, variant: str, requests: Sequence[SegmentRequest], calls: OpenCalls | None = None
    ) -> tuple[TimedReply, ...]:
        calls = calls or OpenCalls()
        calls.check()
        with self._lock:
            if variant not in self.loaded:
                raise ModelNotLoaded(f"unknown model: {variant}")
            self.loaded.sort(key=variant.__eq__)
            self.requests.extend(requests)
            self.sizes.append(len(requests))
            self._in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            with calls.opened(self.cancel):
                for request in requests:
                    self.before(request)
            calls.check()
            replies = [self.respond(variant, request) for request in requests]
        finally:
            with self._lock:
                self._in_flight -= 1
        for reply in replies:
            self.devices.hear(reply.report)
        return tuple(TimedReply(reply, reply.report.execute_ms) for reply in replies)

    def has(self, variant: str) -> bool:
        return variant in self.loaded

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        with self._lock:
            if variant in self.loaded:
                return
            if variant in self.refuse:
                raise self.refuse[variant]
            while self.most_loaded is not None and len(self.loaded) >= self.most_loaded:
                idle = next((name for name in self.loaded if name not in at_work), None)
                if idle is None:
                    raise VariantWaits
                self.loaded.remove(idle)
            self.loaded.append(variant)
            self.loads.append(variant)

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:  # noqa: ARG002 - the Protocol's
        with self._lock:
            self.revived.append(variant)

    def refresh(self) -> None:
        """Do nothing: the one server never changes."""

    def uneven(self) -> frozenset[str]:
        return frozenset()

    def status(self) -> tuple[ServerStatus, ...]:
        if not self.ready:
            return (ServerStatus("memory", ready=False),)
        loaded = tuple(sorted(self.loaded))
        return (ServerStatus("memory", ready=True, version="0", variants=loaded, devices=self.devices.devices()),)

    def close(self) -> None:
        self.ready = False
