"""TinyViT for inference: the steps of `tiny_vit`, folded and with channels last throughout."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.families.tiny_vit import MBConv, PatchMerging, TinyVit, TinyVitBlock
from samfleet_models.fusing import activate_, fuse_after_norm, fuse_linear, fuse_neck, fuse_pair, normalised


class FusedMBConv(nn.Module):
    def __init__(self, block: MBConv) -> None:
        super().__init__()
        self.widen = fuse_pair(block.conv1, "gelu")
        self.mix = fuse_pair(block.conv2, "gelu")
        self.narrow = fuse_pair(block.conv3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.mix(self.widen(x)))
        return activate_(out.add_(x), "gelu")


class FusedBlock(nn.Module):
    """A TinyVitBlock. Windows are cut after the normalisation: a token padded with zeros is normalised to zero."""

    bias: Tensor

    def __init__(self, block: TinyVitBlock) -> None:
        super().__init__()
        attention, mlp = block.attn, block.mlp
        self.window, self.heads = block.window, attention.heads
        self.attention_eps, self.mlp_eps = attention.norm.eps, mlp.norm.eps
        self.qkv = fuse_after_norm(attention.norm, attention.qkv)
        self.proj = fuse_linear(attention.proj)
        bias = attention.attention_biases.detach()[:, attention.attention_bias_idxs]
        self.register_buffer("bias", bias[None])  # [1, heads, tokens, tokens]
        self.local_conv = fuse_pair(block.local_conv)
        self.widen = fuse_after_norm(mlp.norm, mlp.fc1, "gelu")
        self.narrow = fuse_linear(mlp.fc2)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)  # [B, H, W, C]
        rows = self.proj(self._attend(normalised(rows, self.attention_eps)), add=rows)
        rows = self.local_conv(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.narrow(self.widen(normalised(rows, self.mlp_eps)), add=rows)
        return out.permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        windows = self.qkv(cut_windows(x, self.window))  # [windows, tokens, 3 C], head by head: q, k, v
        q, k, v = windows.unflatten(-1, (self.heads, -1)).transpose(1, 2).chunk(3, dim=-1)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
        return join_windows(out.transpose(1, 2).flatten(2), height, width, self.window)


def cut_windows(x: Tensor, side: int) -> Tensor:
    """[B * windows, side², C] of [B, H, W, C], padded with zeros right and bottom to whole windows."""
    batch, height, width, channels = x.shape
    x = functional.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    windows = x.view(batch, x.shape[1] // side, side, x.shape[2] // side, side, channels).transpose(2, 3)
    return windows.reshape(-1, side * side, channels)


def join_windows(windows: Tensor, height: int, width: int, side: int) -> Tensor:
    """The inverse of `cut_windows`, the padding dropped."""
    rows, columns = -(-height // side), -(-width // side)
    x = windows.view(-1, rows, columns, side, side, windows.shape[-1]).transpose(2, 3)
    return x.reshape(-1, rows * side, columns * side, windows.shape[-1])[:, :height, :width].contiguous()


def fuse_tiny_vit(encoder: TinyVit) -> nn.Module:
    """[B, 3, S, S] to [B, 256, S/16, S/16] like `encoder`, from its present parameters."""
    first, _, second = encoder.patch_embed.seq
    parts: list[nn.Module] = [fuse_pair(first, "gelu"), fuse_pair(second)]
    for part in encoder.layers.modules():
        match part:
            case MBConv():
                parts.append(FusedMBConv(part))
            case TinyVitBlock():
                parts.append(FusedBlock(part))
            case PatchMerging():
                parts += [fuse_pair(part.conv1, "gelu"), fuse_pair(part.conv2, "gelu"), fuse_pair(part.conv3)]
    return nn.Sequential(*parts, fuse_neck(encoder.neck))
