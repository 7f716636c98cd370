"""RepViT-SAM and EdgeSAM against their official code on the stand-in checkpoints of ../shared/parity."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fixtures.decoding import decode_all
from fixtures.shared import shared_path
from fixtures.standin import golden, sample_image, standin_state
from samfleet.variants.record import Preprocessing
from samfleet.variants.task import Prompt
from samfleet_models.checkpoint import load_state
from samfleet_models.families.repvit import build_repvit
from samfleet_models.families.repvit_fused import fuse_repvit
from samfleet_models.network import SamNetwork
from samfleet_models.preprocess import Frame, resize_to_frame, to_network_input
from samfleet_models.prompted import prompt_tokens

SIDE = 1024
M1 = {"channels": (48, 96, 192, 384), "depths": (3, 3, 15, 2), "branch_norms": "each"}
ARCHITECTURES = {
    "repvit_sam": {"channels": (80, 160, 320, 640), "depths": (7, 7, 35, 2), "branch_norms": "sum"},
    "edgesam": {**M1, "upsampling": "bicubic"},
    "edgesam_bilinear": {**M1, "upsampling": "bilinear"},
}


@torch.inference_mode()
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_the_official_results_come_out(name: str) -> None:
    network = SamNetwork(build_repvit(ARCHITECTURES[name], SIDE), fuse_repvit, SIDE).eval()
    scale = json.loads(shared_path("parity", name, "meta.json").read_text())["scale"]
    load_state(network, standin_state(name, scale))
    prompts = json.loads(shared_path("parity", name, "prompts.json").read_text())
    for case in ("case0", "case1"):
        expected = golden(name, case)
        image = sample_image(prompts[case]["image"])
        frame = Frame.of(image.shape[0], image.shape[1], SIDE)
        pixels = to_network_input([resize_to_frame(image, frame)], SIDE, Preprocessing(), network.device)
        plain = network.image_encoder(pixels)
        embedding = network.encode(pixels)
        for form, found in (("published", plain), ("fused", embedding)):
            difference = np.abs(found[0, :, ::8, ::8].numpy() - expected["embedding_probe"]).max()
            print(f"{name} {case} {form}: {difference:.1e} of {np.ptp(expected['embedding_probe']):.1f}")
        for index, values in enumerate(prompts[case]["prompts"]):
            points = tuple((float(x), float(y)) for x, y in values["points"] or ())
            box = tuple(map(float, values["box"])) if values["box"] else None
            coords, labels = prompt_tokens(Prompt(points, tuple(values["labels"] or ()), box), frame)
            logits, ious = decode_all(
                network, embedding, torch.from_numpy(coords)[None], torch.from_numpy(labels)[None]
            )
            for mode, rows in (("single", slice(0, 1)), ("multi", slice(1, 4))):
                key = f"{index}_{mode}"
                d = np.abs(logits[0, rows, ::16, ::16].numpy() - expected[f"low_res_probe_{key}"]).max()
                e = np.abs(ious[0, rows].numpy() - expected[f"iou_{key}"]).max()
                print(f"  {key}: {d:.1e} {e:.1e}")
