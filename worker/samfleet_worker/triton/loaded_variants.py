"""What one Triton server has loaded, and room for one variant more.

Triton itself is the truth: its repository index says what is loaded, its statistics when each was last used. Loading
what is loaded, and two loads of one variant at a time, cost it nothing (tried with 2.51).
"""

from __future__ import annotations

import time

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from samfleet.logging import get_logger
from samfleet.metrics import MODEL_LOADS, MODEL_UNLOADS
from samfleet_worker.triton.errors import (
    TritonTimeout,
    VariantWaits,
    from_load,
    is_out_of_memory,
    mapped_control_errors,
)

log = get_logger(__name__)

LOAD_SECONDS = 600.0  # reading weights from a cold disk and warming a GPU up
UNLOAD_SECONDS = 120.0  # Triton answers what the variant still has in its queue before it lets go of the memory
POLL_SECONDS = 0.05
WEIGHTS_SECONDS = 60.0
WEIGHTS_WORDS = "samfleet variants pull"  # what every refusal of missing weights advises
CONTROL_SECONDS = 5.0  # questions that a server answers from memory


class LoadedVariants:
    """Not for two threads at a time: whoever loads holds the pool's lock (`samfleet_worker.model_loading`)."""

    def __init__(self, client: InferenceServerClient, address: str, most_loaded: int | None) -> None:
        self._client = client
        self._address = address
        self._most_loaded = most_loaded
        self._without_weights: dict[str, tuple[float, str]] = {}  # when a load failed for it, and with what reason
        self._too_full: dict[str, frozenset[str]] = {}  # what was loaded when a variant did not fit in beside it

    def has(self, variant: str) -> bool:
        with mapped_control_errors(self._address):
            return bool(self._client.is_model_ready(variant, client_timeout=CONTROL_SECONDS))

    def loaded(self) -> frozenset[str]:
        return frozenset(name for name, state in self._index() if state == "READY")

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        """Load the variant, and unload as many as that takes: the least recently used first, never one `at_work`.

        Raises `VariantWaits` where only those are left, and `VariantLoadFailed` with Triton's reason.
        """
        while True:
            others = self.loaded() - {variant}
            if self._known_not_to_fit(variant, others, at_work):
                self._make_room(variant, others, at_work)
                continue
            started = time.perf_counter()
            try:
                self._client.load_model(variant, client_timeout=LOAD_SECONDS)
            except InferenceServerException as error:
                full = is_out_of_memory(error)
                _measure_load(variant, "no_memory" if full else "failed", started)
                if not others or not full:
                    said = str(error.message() or error)  # whole, with the traceback that no user is shown
                    log.warning("variant.load_failed", variant=variant, address=self._address, said=said)
                    failed = from_load(error, self._address, variant)
                    if WEIGHTS_WORDS in said:
                        self._without_weights[variant] = time.monotonic(), failed.message
                    raise failed from error
                self._too_full[variant] = others
                self._make_room(variant, others, at_work)
            else:
                _measure_load(variant, "loaded", started)
                self._too_full.pop(variant, None)
                self._without_weights.pop(variant, None)
                log.info("variant.loaded", variant=variant, address=self._address)
                return

    def revive(self, variant: str, at_work: frozenset[str]) -> None:
        """Load a variant again whose process has died. Triton waits for the dead one for ever when it unloads, and
        loads beside that (tried with 2.51), so the end of the unloading is not waited for.
        """
        with mapped_control_errors(self._address):
            self._client.unload_model(variant, client_timeout=CONTROL_SECONDS)
        self.load(variant, at_work)
        log.warning("variant.revived", variant=variant, address=self._address)

    def without_weights(self) -> dict[str, str]:
        """Variants that lacked their weights within the last minute: files may be put there at any time."""
        now = time.monotonic()
        return {name: said for name, (at, said) in self._without_weights.items() if now - at < WEIGHTS_SECONDS}

    def _known_not_to_fit(self, variant: str, others: frozenset[str], at_work: frozenset[str]) -> bool:
        """A load that lacks memory costs seconds of the server's time, so it is not tried again beside the same."""
        if self._most_loaded is not None and len(others) >= self._most_loaded:
            return True
        too_full = self._too_full.get(variant)
        return too_full is not None and too_full <= others and not others - at_work

    def _make_room(self, variant: str, others: frozenset[str], at_work: frozenset[str]) -> None:
        idle = others - at_work
        if not idle:
            raise VariantWaits(
                f"Triton at {self._address} has no room for {variant} beside {', '.join(sorted(others))}, "
                "which are at work; it is loaded when one of them is done"
            )
        last_used = self._last_used()
        self._unload(min(sorted(idle), key=lambda name: last_used.get(name, 0)))

    def _last_used(self) -> dict[str, int]:
        """Milliseconds since 1970 of the end of the last batch, 0 for what was never used."""
        with mapped_control_errors(self._address):
            statistics = self._client.get_inference_statistics(client_timeout=CONTROL_SECONDS)
        return {model.name: model.last_inference for model in statistics.model_stats}

    def _unload(self, variant: str) -> None:
        """Returns when the memory is free: Triton says yes at once and unloads after that."""
        with mapped_control_errors(self._address):
            self._client.unload_model(variant, client_timeout=CONTROL_SECONDS)
        deadline = time.monotonic() + UNLOAD_SECONDS
        while any(name == variant and state in {"READY", "UNLOADING"} for name, state in self._index()):
            if time.monotonic() > deadline:
                raise TritonTimeout(f"Triton at {self._address} did not unload {variant} in {UNLOAD_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        MODEL_UNLOADS.labels(variant).inc()
        log.info("variant.unloaded", variant=variant, address=self._address)

    def _index(self) -> list[tuple[str, str]]:
        with mapped_control_errors(self._address):
            index = self._client.get_model_repository_index(client_timeout=CONTROL_SECONDS)
        return [(model.name, model.state) for model in index.models]


def _measure_load(variant: str, outcome: str, started: float) -> None:
    MODEL_LOADS.labels(variant, outcome).observe(time.perf_counter() - started)
