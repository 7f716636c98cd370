"""The parts of a SAM 2 checkpoint that segment video and are not read for single images.

They are declared as modules so that loading can check every published key and shape; they never run. All sizes of a
family have the same parts, whatever its `architecture`. Names and shapes follow sam2/modeling of facebookresearch/sam2
and, for the spatial perceiver, facebookresearch/EdgeTAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn

from samfleet_models.modeling.common import LayerNorm2d, Mlp
from samfleet_models.modeling.transformer import DIM

MEMORY = 64  # channels of a frame in the memory
FRAMES = 7
FEED_FORWARD = 2048
MASK_WIDTHS = (1, 4, 16, 64, DIM)  # channels of a mask while it is downsampled to the embedding's grid
FUSER_LAYERS = 2
LATENTS = 256


class Part(nn.Module):
    """Modules, and bare parameters given by their shapes, under the given names."""

    def __init__(self, **children: nn.Module | tuple[int, ...]) -> None:
        super().__init__()
        for name, child in children.items():
            if isinstance(child, nn.Module):
                self.add_module(name, child)
            else:
                self.register_parameter(name, nn.Parameter(torch.empty(child)))


def sam2_memory(architecture: Mapping[str, object]) -> nn.Module:
    del architecture
    with torch.device("meta"):
        return Part(
            **_memory(attention_layers=4),
            no_obj_embed_spatial=(1, MEMORY),
            obj_ptr_tpos_proj=nn.Linear(DIM, MEMORY),
        )


def efficient_tam_memory(architecture: Mapping[str, object]) -> nn.Module:
    del architecture
    with torch.device("meta"):
        return Part(**_memory(attention_layers=4))


def edge_tam_memory(architecture: Mapping[str, object]) -> nn.Module:
    del architecture
    with torch.device("meta"):
        return Part(**_memory(attention_layers=2), spatial_perceiver=_perceiver(layers=2))


def _memory(attention_layers: int) -> dict[str, nn.Module | tuple[int, ...]]:
    layers = nn.ModuleList(_attention_layer() for _ in range(attention_layers))
    return {
        "maskmem_tpos_enc": (FRAMES, 1, 1, MEMORY),
        "no_mem_pos_enc": (1, 1, DIM),
        "no_obj_ptr": (1, DIM),
        "mask_downsample": nn.Conv2d(1, 1, 4),
        "memory_attention": Part(layers=layers, norm=nn.LayerNorm(DIM)),
        "memory_encoder": _encoder(),
        "obj_ptr_proj": Mlp((DIM, DIM, DIM, DIM)),
    }


def _attention_layer() -> nn.Module:
    norms = {f"norm{index}": nn.LayerNorm(DIM) for index in (1, 2, 3)}
    return Part(
        self_attn=_attention(DIM),
        cross_attn_image=_attention(MEMORY),
        linear1=nn.Linear(DIM, FEED_FORWARD),
        linear2=nn.Linear(FEED_FORWARD, DIM),
        **norms,
    )


def _attention(remembered: int) -> nn.Module:
    inner = {"q_proj": DIM, "k_proj": remembered, "v_proj": remembered, "out_proj": DIM}
    return Part(**{name: nn.Linear(channels, DIM) for name, channels in inner.items()})


def _encoder() -> nn.Module:
    downsampler: list[nn.Module] = []
    for inner, outer in pairwise(MASK_WIDTHS):
        downsampler += [nn.Conv2d(inner, outer, 3), LayerNorm2d(outer), nn.GELU()]
    encoder = nn.Sequential(*downsampler, nn.Conv2d(DIM, DIM, 1))
    return Part(
        mask_downsampler=Part(encoder=encoder),
        pix_feat_proj=nn.Conv2d(DIM, DIM, 1),
        fuser=Part(layers=nn.ModuleList(_fuser_layer() for _ in range(FUSER_LAYERS))),
        out_proj=nn.Conv2d(DIM, MEMORY, 1),
    )


def _fuser_layer() -> nn.Module:
    return Part(
        gamma=(DIM,),
        dwconv=nn.Conv2d(DIM, DIM, 7, groups=DIM),
        norm=LayerNorm2d(DIM),
        pwconv1=nn.Linear(DIM, 4 * DIM),
        pwconv2=nn.Linear(4 * DIM, DIM),
    )


def _perceiver(layers: int) -> nn.Module:
    return Part(
        latents=(LATENTS, MEMORY),
        latents_2d=(LATENTS, MEMORY),
        layers=nn.ModuleList(_perceiver_layer() for _ in range(layers)),
        norm=nn.LayerNorm(MEMORY),
    )


def _perceiver_layer() -> nn.Module:
    return Part(
        attn=_latent_attention("norm_x", "norm_latents"),
        ff=_latent_feed_forward(),
        self_attn=_latent_attention("norm"),
        self_ff=_latent_feed_forward(),
    )


def _latent_attention(*norms: str) -> nn.Module:
    widths = {"to_q": MEMORY, "to_kv": 2 * MEMORY, "to_out": MEMORY}
    return Part(
        **{name: nn.LayerNorm(MEMORY) for name in norms},
        **{name: nn.Linear(MEMORY, outer, bias=False) for name, outer in widths.items()},
    )


def _latent_feed_forward() -> nn.Module:
    first, second = nn.Linear(MEMORY, 4 * MEMORY, bias=False), nn.Linear(4 * MEMORY, MEMORY, bias=False)
    return nn.Sequential(nn.LayerNorm(MEMORY), first, nn.GELU(), second)
