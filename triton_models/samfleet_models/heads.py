"""What turns embeddings and prompts into masks, by kind of head: `Family.heads` names one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from samfleet_models.decoding import Decoder
from samfleet_models.folded.decoder import FoldedDecoder
from samfleet_models.mask_decoder import MaskDecoder
from samfleet_models.prompt_encoder import PromptEncoder


@dataclass(frozen=True, slots=True)
class Heads:
    """`prompt_encoder(frame_size, embedding_size)` and `mask_decoder()` make what checkpoints load into.

    `fold` makes of both, loaded, what computes in a type.
    """

    prompt_encoder: Callable[[int, int], nn.Module]
    mask_decoder: Callable[[], nn.Module]
    fold: Callable[[Any, Any, torch.dtype], Decoder]


SAM = Heads(PromptEncoder, MaskDecoder, FoldedDecoder)
