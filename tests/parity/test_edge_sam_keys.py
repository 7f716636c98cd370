"""EdgeSAM-3x has no recorded outputs; its file has the keys and shapes of EdgeSAM's."""

from __future__ import annotations

import pytest
import torch

from fixtures.models.shared_data import shared_path
from samfleet.variants.catalogue import get_variant
from samfleet_models.checkpoints.loading import CheckpointMismatch
from samfleet_models.networks.registry import build_network
from samfleet_models.parity.cases import find_cases


def test_the_longer_trained_file_fits() -> None:
    (edge_sam,) = find_cases(shared_path("parity", "edgesam"))
    with torch.device("meta"):
        network = build_network(get_variant("edgesam_3x"))
    network.check_published(edge_sam.shapes())
    with pytest.raises(CheckpointMismatch):
        network.check_published({**edge_sam.shapes(), "image_encoder.neck.0.weight": (256, 384, 1, 1)})
