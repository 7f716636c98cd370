from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import pytest

from samfleet.jobs.hardware import fingerprint
from samfleet.wire.device_state import DeviceState
from samfleet.wire.messages import ImageReport, StageTime
from samfleet_worker.triton.devices import WINDOW_SECONDS, DeviceBook

START = datetime(2026, 11, 22, tzinfo=UTC)
CPU = {"device_kind": "cpu", "device_name": "A CPU", "threads": 2}


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> DeviceBook:
    return DeviceBook(clock, clock.now)


def report(ms: float, execute_ms: float | None = None, device: DeviceState | None = None) -> ImageReport:
    """Return the report of an image that took `ms` of the device, and as much of the host."""
    shares = {"encode": ms / 4, "decode": ms / 4, "postprocess": ms / 2, "preprocess": ms}
    stages = {name: StageTime(share, 2 * share) for name, share in shares.items()}
    return ImageReport(stages=stages, execute_ms=execute_ms or ms, hardware=CPU, device=device)


def test_nothing_is_known_before_the_first_reply(book: DeviceBook) -> None:
    assert book.devices() == ()
    book.hear(ImageReport())
    assert book.devices() == ()


def test_the_state_of_a_device_comes_from_its_last_reply(book: DeviceBook, clock: Clock) -> None:
    book.hear(report(1, device=DeviceState("GPU-1", 5, 10, 0.25, 70.0)))
    book.hear(report(1, device=DeviceState("GPU-2", 6, 10)))
    clock.seconds += 3
    book.hear(report(1, device=DeviceState("GPU-1", 7, 10, 0.5, 80.0)))
    first, second = book.devices()
    assert (first.id, first.kind, first.name, first.fingerprint_sha256) == ("GPU-1", "cpu", "A CPU", fingerprint(CPU))
    assert (first.memory_used_bytes, first.utilization, first.power_watts) == (7, 0.5, 80.0)
    assert (second.id, second.memory_used_bytes, second.power_watts) == ("GPU-2", 6, None)
    assert first.seen_at == (START + timedelta(seconds=1003)).isoformat()
    assert json.loads(json.dumps(asdict(first)))["memory_used_bytes"] == 7


def test_a_server_without_a_device_record_still_counts_as_busy(book: DeviceBook, clock: Clock) -> None:
    clock.seconds += 0.5
    book.hear(report(300))
    clock.seconds += 1
    (device,) = book.devices()
    assert device.busy_share == pytest.approx(0.3 / WINDOW_SECONDS)
    assert device.memory_used_bytes is None


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("seconds_each", [0.05, 0.7, 5.0])
def test_a_device_that_always_computes_is_fully_busy(
    book: DeviceBook, clock: Clock, batch: int, seconds_each: float
) -> None:
    """Images come alone, or each with its share of a batch that replies at once."""
    until = clock.seconds + 3 * WINDOW_SECONDS
    while clock.seconds < until:
        clock.seconds += batch * seconds_each
        for _ in range(batch):
            book.hear(report(1e3 * seconds_each, 1e3 * seconds_each * batch))
    (device,) = book.devices()
    assert device.busy_share == pytest.approx(1.0, abs=0.02)


def test_half_of_the_time_counts_as_half_busy_and_a_minute_later_as_idle(book: DeviceBook, clock: Clock) -> None:
    for _ in range(100):
        clock.seconds += 2
        book.hear(report(1000))
    assert book.devices()[0].busy_share == pytest.approx(0.5)
    clock.seconds += WINDOW_SECONDS / 2
    assert book.devices()[0].busy_share == pytest.approx(0.25)
    clock.seconds += WINDOW_SECONDS
    assert book.devices()[0].busy_share == 0


def test_an_image_longer_than_the_window_counts_only_for_the_window(book: DeviceBook, clock: Clock) -> None:
    book.hear(report(1e3 * 10 * WINDOW_SECONDS))
    assert book.devices()[0].busy_share == pytest.approx(1.0, abs=1e-6)


def test_old_seconds_are_discarded(book: DeviceBook, clock: Clock) -> None:
    for _ in range(1000):
        clock.seconds += 1
        book.hear(report(100))
    assert len(book._heard["cpu"].busy_ms) <= WINDOW_SECONDS + 3
