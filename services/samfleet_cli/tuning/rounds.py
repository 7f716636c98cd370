"""Figures of the images that a point has segmented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from samfleet.client.image_schemas import ImageResult
from samfleet.masks.record import MaskRecord
from samfleet_cli.tuning.figures import Figures
from samfleet_models.precision.mask_agreement import ImageAgreement, figures_of, pair_ious

Masks = Mapping[int, Sequence[MaskRecord]]  # by image id


@dataclass(slots=True)
class Rounds:
    """All rounds of a point so far. `reference` has the baseline's masks; None while the baseline is measured."""

    reference: Masks | None = None
    _images: list[ImageResult] = field(default_factory=list)
    _agreements: list[ImageAgreement] = field(default_factory=list)
    _same: bool = True
    _segmented: int = 0
    _seconds: float = 0.0

    def add(self, images: Sequence[ImageResult], images_per_second: float) -> None:
        """Add a round: its succeeded images, and their number per second of wall time."""
        self._images += images
        self._segmented += len(images)
        self._seconds += len(images) / images_per_second
        masks = masks_of(images)
        if self.reference is None:
            self.reference = masks
        for image_id, found in masks.items():
            wanted = self.reference.get(image_id, ())
            self._same = self._same and _codes(found) == _codes(wanted)
            self._agreements.append(
                ImageAgreement(str(image_id), len(wanted), len(found), tuple(pair_ious(wanted, found)))
            )

    def figures(self) -> Figures | None:
        """Return the figures. Images of the warm-up are left out of times; None if there are no others."""
        timed = [image for image in self._images if not image.warmup and image.round_trip_ms is not None]
        if not timed:
            return None
        times = [_latency_ms(image) for image in timed]
        p50, p95 = np.percentile(times, [50, 95])
        energies = [image.energy_j for image in timed]
        known = [energy for energy in energies if energy is not None]
        return Figures(
            images=len(timed),
            images_per_second=self._segmented / self._seconds,
            p50_ms=float(p50),
            p95_ms=float(p95),
            memory_bytes=max(image.peak_reserved_bytes or image.peak_memory_bytes or 0 for image in self._images),
            agreement=figures_of(self._agreements).agreeing_share,
            same_masks=self._same,
            energy_j=sum(known) / len(known) if len(known) == len(energies) else None,
            largest_batch=max(image.batch_size or 1 for image in self._images),
        )


def masks_of(images: Sequence[ImageResult]) -> Masks:
    return {image.image_id: [MaskRecord.from_dict(mask) for mask in image.masks] for image in images}


def _latency_ms(image: ImageResult) -> float:
    fetch = image.stages.get("fetch")
    return (image.round_trip_ms or 0.0) + (fetch.ms if fetch else 0.0)


def _codes(masks: Sequence[MaskRecord]) -> list[str]:
    return sorted(mask.counts for mask in masks)
