"""Variants that one Triton server has loaded, and unloading to make room for one more.

Triton is the source of truth: its repository index lists what is loaded, its statistics say when each was last used.
Loading a loaded variant, or one variant twice at a time, costs it nothing (tried with 2.51).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

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
UNLOAD_SECONDS = 120.0  # Triton completes the variant's queue before it frees the memory
POLL_SECONDS = 0.05
WEIGHTS_SECONDS = 60.0
WEIGHTS_WORDS = "samfleet variants pull"  # the advice in every error about missing weights
CONTROL_SECONDS = 5.0  # queries that a server handles in memory


class LoadedVariants:
    """Variants of one server.

    Not for two threads at a time: to load, hold the pool's lock (`samfleet_worker.model_loading`).
    """

    def __init__(self, client: InferenceServerClient, address: str, most_loaded: int | None) -> None:
        self._client = client
        self._address = address
        self._most_loaded = most_loaded
        self._without_weights: dict[str, tuple[float, str]] = {}  # time and reason of the failed load
        self._loading: dict[str, str] = {}  # start of each load, in ISO 8601
        self._too_full: dict[str, frozenset[str]] = {}  # what was loaded when a variant did not fit

    def has(self, variant: str) -> bool:
        with mapped_control_errors(self._address):
            return bool(self._client.is_model_ready(variant, client_timeout=CONTROL_SECONDS))

    def loaded(self) -> frozenset[str]:
        return frozenset(name for name, state in self._index() if state == "READY")

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        """Load the variant, and unload as many others as needed: the least recently used first, never one `at_work`.

        Raises `VariantWaits` if only those are left, and `VariantLoadFailed` with Triton's reason.
        """
        while True:
            others = self.loaded() - {variant}
            if self._known_not_to_fit(variant, others, at_work):
                self._make_room(variant, others, at_work)
                continue
            started = time.perf_counter()
            self._loading[variant] = datetime.now(UTC).isoformat()
            try:
                self._client.load_model(variant, client_timeout=LOAD_SECONDS)
            except InferenceServerException as error:
                full = is_out_of_memory(error)
                _measure_load(variant, "no_memory" if full else "failed", started)
                if not others or not full:
                    said = str(error.message() or error)  # whole, with the traceback that users do not see
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
            finally:
                del self._loading[variant]

    def loading(self) -> dict[str, str]:
        """Return variants that are being loaded, and since when, in ISO 8601; safe to call from other threads."""
        return self._loading.copy()

    def revive(self, variant: str, at_work: frozenset[str]) -> None:
        """Load a variant again whose process has died.

        When Triton unloads the dead process, it never stops waiting for it, but it loads another meanwhile (tried with
        2.51). So this does not wait for the end of the unloading.
        """
        with mapped_control_errors(self._address):
            self._client.unload_model(variant, client_timeout=CONTROL_SECONDS)
        self.load(variant, at_work)
        log.warning("variant.revived", variant=variant, address=self._address)

    def without_weights(self) -> dict[str, str]:
        """Return variants that lacked their weights within the last minute; files may be added at any time."""
        now = time.monotonic()
        return {name: said for name, (at, said) in self._without_weights.items() if now - at < WEIGHTS_SECONDS}

    def _known_not_to_fit(self, variant: str, others: frozenset[str], at_work: frozenset[str]) -> bool:
        """Return True if the variant does not fit next to the others.

        A load that lacks memory costs seconds of the server's time, so it is not repeated with the same variants
        loaded.
        """
        if self._most_loaded is not None and len(others) >= self._most_loaded:
            return True
        too_full = self._too_full.get(variant)
        return too_full is not None and too_full <= others and not others - at_work

    def _make_room(self, variant: str, others: frozenset[str], at_work: frozenset[str]) -> None:
        idle = others - at_work
        if not idle:
            raise VariantWaits(
                f"Triton at {self._address} has no room for {variant} next to {', '.join(sorted(others))}, "
                "which are busy; it is loaded when one of them is done"
            )
        last_used = self._last_used()
        self._unload(min(sorted(idle), key=lambda name: last_used.get(name, 0)))

    def _last_used(self) -> dict[str, int]:
        """Return the end of each variant's last batch in milliseconds since 1970, 0 if it was never used."""
        with mapped_control_errors(self._address):
            statistics = self._client.get_inference_statistics(client_timeout=CONTROL_SECONDS)
        return {model.name: model.last_inference for model in statistics.model_stats}

    def _unload(self, variant: str) -> None:
        """Unload a variant; return when the memory is free, because Triton confirms at once and unloads after that."""
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
