"""Bootstrap replicates against resampling by hand: images repeated as often as their counts say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.quality.agreement import Agreement
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.protocol import CLASS_AGNOSTIC, CLASS_AWARE, Found, Protocol, Truth
from samfleet.quality.resampling import PRECISION_REPLICATES, REPLICATES, ResampledRatio, counts_of

SIDE = 40
IMAGES = 12
Image = tuple[list[Truth], list[Found]]


def rle(left: int, top: int, width: int, height: int) -> dict[str, object]:
    from pycocotools import mask

    bits = np.zeros((SIDE, SIDE), dtype=np.uint8, order="F")
    bits[top : top + height, left : left + width] = 1
    return dict(mask.encode(bits))


def images(seed: int) -> list[Image]:
    """Return images with two categories; boxes of detections are near those of instances, and scores differ."""
    random = np.random.default_rng(seed)
    scores = iter(random.permutation(10_000) / 10_000)
    made = []
    for _ in range(IMAGES):
        truths, found = [], []
        for _ in range(int(random.integers(0, 4))):
            category, (left, top) = int(random.integers(1, 3)), random.integers(0, 20, 2)
            truths.append(Truth(category, 100.0, iscrowd=False, shape=rle(left, top, 10, 10)))
            for _ in range(int(random.integers(0, 3))):
                shift = int(random.integers(0, 4))
                found.append(Found(category, float(next(scores)), 100.0, rle(left + shift, top, 10, 10)))
        made.append((truths, found))
    return made


def evaluated(protocol: Protocol, sample: list[Image], ids: list[int]) -> Evaluation:
    evaluation = Evaluation(protocol)
    for image_id, (truths, found) in zip(ids, sample, strict=True):
        evaluation.add(image_id, truths, found)
    return evaluation


def repeated(sample: list[Image], counts: NDArray[np.int64]) -> list[Image]:
    return [image for image, count in zip(sample, counts, strict=True) for _ in range(count)]


def test_counts_depend_on_the_image_alone_and_average_one() -> None:
    assert counts_of(397_133, 12).tolist() == counts_of(397_133)[:12].tolist()
    assert counts_of(397_133, 12).tolist() != counts_of(397_134, 12).tolist()
    all_counts = np.stack([counts_of(image_id) for image_id in range(400)])
    assert all_counts.mean() == pytest.approx(1, abs=0.01)
    assert all_counts.var() == pytest.approx(1, abs=0.02)
    assert (all_counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)
    assert len(counts_of(-1)) == REPLICATES


@pytest.mark.parametrize("seed", range(3))
def test_precision_is_that_of_repeated_images(seed: int) -> None:
    sample = images(seed)
    replicates = evaluated(CLASS_AWARE, sample, list(range(IMAGES))).precision_replicates()
    assert replicates is not None
    assert len(replicates) == PRECISION_REPLICATES
    counts = np.stack([counts_of(image_id) for image_id in range(IMAGES)])
    for replicate in range(0, PRECISION_REPLICATES, 17):
        again = repeated(sample, counts[:, replicate])
        precisions = evaluated(CLASS_AWARE, again, list(range(len(again)))).precisions("all")
        assert precisions is not None
        assert replicates[replicate] == pytest.approx(precisions.mean(), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_recall_is_that_of_repeated_images(seed: int) -> None:
    sample = images(seed)
    replicates = evaluated(CLASS_AGNOSTIC, sample, list(range(IMAGES))).recall_replicates()
    assert replicates is not None
    counts = np.stack([counts_of(image_id) for image_id in range(IMAGES)])
    for replicate in range(0, REPLICATES, 41):
        again = repeated(sample, counts[:, replicate])
        recall = evaluated(CLASS_AGNOSTIC, again, list(range(len(again)))).recall("all", 1000)
        assert replicates[replicate] == pytest.approx(recall, abs=1e-12)


def test_the_order_of_images_does_not_matter() -> None:
    sample, ids = images(5), list(range(IMAGES))
    backwards = evaluated(CLASS_AWARE, sample[::-1], ids[::-1]).precision_replicates()
    assert backwards == evaluated(CLASS_AWARE, sample, ids).precision_replicates()


def test_the_spread_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).uniform(size=300)
    ratio = ResampledRatio()
    for image_id, value in enumerate(values):
        ratio.add(image_id, float(value), 1)
    replicates = ratio.replicates()
    assert replicates is not None
    assert np.std(replicates) == pytest.approx(np.std(values) / np.sqrt(300), rel=0.1)
    assert np.mean(replicates) == pytest.approx(values.mean(), abs=0.003)


def test_equal_masks_of_two_runs_have_equal_replicates() -> None:
    def figure(shift: int) -> tuple[float, ...] | None:
        agreement = Agreement()
        for image_id in range(30):
            truth = Truth(1, 100.0, iscrowd=False, shape=rle(5, 5, 10, 10))
            agreement.add(image_id, {7: truth}, {7: rle(5 + (image_id % 3) * shift, 5, 10, 10)})
        return agreement.figures()[0].replicates

    assert figure(1) == figure(1)
    assert figure(1) != figure(2)


def test_few_images_are_not_resampled() -> None:
    ratio = ResampledRatio()
    ratio.add(1, 0.5, 1)
    assert ratio.replicates() is None
    assert evaluated(CLASS_AWARE, images(0)[:1], [1]).precision_replicates() is None
