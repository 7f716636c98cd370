from __future__ import annotations

import resource

import torch

from samfleet_models.device.peak_memory import FRESH_SECONDS, PeakMemory


def test_the_peak_of_the_host_is_read_at_most_every_tenth_of_a_second() -> None:
    now = [100.0]
    peak = PeakMemory(torch.device("cpu"), lambda: now[0])
    first = peak.used_bytes()
    assert first == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    held = bytearray(128 << 20)
    held[::4096] = b"x" * len(held[::4096])
    assert peak.used_bytes() == first
    now[0] += FRESH_SECONDS
    assert peak.used_bytes() >= first
    assert peak.reserved_bytes() is None
