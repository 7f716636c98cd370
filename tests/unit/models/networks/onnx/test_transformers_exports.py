"""Exports of transformers' models, as transformers.js reads them, against the models themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.models.transformers_exports import (
    SIDE,
    Format,
    converted,
    export_sam,
    export_sam2,
    sam2_model,
    sam_model,
)
from samfleet.variants.graphs import DIALECTS
from samfleet_models.networks.onnx.decoder import OnnxDecoder, OnnxImage
from samfleet_models.networks.onnx.graph import Graph

CPU = torch.device("cpu")
PIXELS = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
POINTS = torch.rand(11, 2, 2, generator=torch.Generator().manual_seed(3)) * SIDE
KINDS = torch.tensor([[1, 1], [1, 0], [0, 1]] * 4)[:11]
BOXES = torch.tensor([[10.0, 20.0, 90.0, 100.0], [0.0, 0.0, 128.0, 60.0], [40.0, 40.0, 44.0, 90.0]])
CORNERS = torch.tensor([[2, 3]])


@dataclass(frozen=True)
class Pair:
    """A model and its export."""

    model: Any
    dialect: str
    encoder: Path
    decoder: Path

    def opened(self, encoder: Path | None = None, decoder: Path | None = None) -> tuple[OnnxDecoder, OnnxImage]:
        names = DIALECTS[self.dialect]
        graph = Graph(encoder or self.encoder, CPU)
        graph.require((names.encoder.image,), names.encoder.features)
        features = graph.run(names.encoder.features, {names.encoder.image: PIXELS.numpy()})
        tested = OnnxDecoder(Graph(decoder or self.decoder, CPU), names.decoder, SIDE, CPU)
        return tested, tested.prepare(tuple(torch.from_numpy(array) for array in features))


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model = sam_model()
    return Pair(model, "transformers_sam", *export_sam(model, tmp_path_factory.mktemp("sam")))


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model = sam2_model()
    return Pair(model, "transformers_sam2", *export_sam2(model, tmp_path_factory.mktemp("sam2")))


def compare(tested: OnnxDecoder, image: OnnxImage, coords: Tensor, labels: Tensor, expected: Any) -> None:
    """Require the masks and scores of `expected`, up to the rounding of float32."""
    scored = tested.score(image, coords, labels)
    scale = float(expected.pred_masks.abs().max())
    torch.testing.assert_close(scored.logits, expected.pred_masks[0], atol=2e-5 * scale, rtol=0.0)
    torch.testing.assert_close(scored.ious[:, 1:], expected.iou_scores[0], atol=1e-5, rtol=0.0)


@torch.inference_mode()
def test_masks_of_points_equal_those_of_sam(sam: Pair) -> None:
    expected = sam.model(pixel_values=PIXELS, input_points=POINTS[None], input_labels=KINDS[None])
    assert 0.05 < float((expected.pred_masks > 0).float().mean()) < 0.95
    compare(*sam.opened(), POINTS, KINDS, expected)


@torch.inference_mode()
def test_masks_of_points_equal_those_of_sam2_without_its_padding(sam2: Pair) -> None:
    """With boxes among its inputs the graph adds no padding point, empty as they may be, so the model adds none."""
    embeddings = sam2.model.get_image_embeddings(PIXELS)
    sparse = sam2.model.prompt_encoder._embed_points(POINTS[None], KINDS[None], pad=False)
    _, dense = sam2.model.prompt_encoder(POINTS[None], KINDS[None], None, None)
    masks, ious, *_ = sam2.model.mask_decoder(
        image_embeddings=embeddings[2], image_positional_embeddings=sam2.model.get_image_wide_positional_embeddings(),
        sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=True,
        high_resolution_features=embeddings[:2],
    )  # fmt: skip
    expected = type("Expected", (), {"pred_masks": masks, "iou_scores": ious})
    compare(*sam2.opened(), POINTS, KINDS, expected)


@torch.inference_mode()
def test_masks_of_boxes_equal_those_of_sam2(sam2: Pair) -> None:
    expected = sam2.model(pixel_values=PIXELS, input_boxes=BOXES[None])
    compare(*sam2.opened(), BOXES.view(-1, 2, 2), CORNERS.repeat(len(BOXES), 1), expected)


@torch.inference_mode()
def test_masks_of_points_with_a_box_equal_those_of_sam2(sam2: Pair) -> None:
    points, kinds = POINTS[:3], KINDS[:3]
    expected = sam2.model(
        pixel_values=PIXELS, input_points=points[None], input_labels=kinds[None], input_boxes=BOXES[None]
    )
    coords, labels = torch.cat([points, BOXES.view(-1, 2, 2)], 1), torch.cat([kinds, CORNERS.repeat(3, 1)], 1)
    compare(*sam2.opened(), coords, labels, expected)


@torch.inference_mode()
def test_prompts_of_both_kinds_may_share_a_chunk(sam2: Pair) -> None:
    tested, image = sam2.opened()
    coords = torch.cat([POINTS[:2], BOXES.view(-1, 2, 2), POINTS[2:4]])
    labels = torch.cat([KINDS[:2], CORNERS.repeat(3, 1), KINDS[2:4]])
    together = tested.score(image, coords, labels)
    alone = [tested.score(image, coords[row : row + 1], labels[row : row + 1]) for row in range(len(coords))]
    torch.testing.assert_close(together.ious, torch.cat([one.ious for one in alone]), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(together.logits, torch.cat([one.logits for one in alone]), atol=1e-4, rtol=1e-4)


# The least share of pixels on the same side of 0 as in float32, and the largest change of a predicted IoU.
TOLERANCES: dict[Format, tuple[float, float]] = {"int8": (0.97, 0.05), "q4": (0.95, 0.1)}


@torch.inference_mode()
@pytest.mark.parametrize("format_", TOLERANCES)
def test_quantised_files_agree_with_float32(sam: Pair, format_: Format) -> None:
    expected = sam.opened()[0].score(sam.opened()[1], POINTS, KINDS)
    tested, image = sam.opened(converted(sam.encoder, format_), converted(sam.decoder, format_))
    found = tested.score(image, POINTS, KINDS)
    same = float(((found.logits > 0) == (expected.logits > 0)).float().mean())
    change = float((found.ious - expected.ious)[:, 1:].abs().max())
    print(f"{format_}: {same:.4f} of the pixels agree, predicted IoUs change by at most {change:.4f}")  # noqa: T201
    least, most = TOLERANCES[format_]
    assert same >= least
    assert change <= most
    assert not np.array_equal(found.logits.numpy(), expected.logits.numpy())
