"""The containers of published checkpoints: torch's own, torch's inside a zip archive, and safetensors.

A file's first bytes identify its container, whatever its name. Reading creates only tensors.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

LENGTH = struct.Struct("<Q")  # length of the header at the start of a safetensors file
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_state_file(path: Path) -> object:
    """Return the content of the file. A damaged file may raise nearly any exception."""
    if _is_safetensors(path):
        return read_safetensors(path)
    with _inner_file(path) or path.open("rb") as file:  # passed opened, because torch judges a path by its suffix
        return torch.load(file, map_location="cpu", weights_only=True)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; format: https://github.com/huggingface/safetensors#format."""
    content = memoryview(bytearray(path.read_bytes()))
    (length,) = LENGTH.unpack(content[: LENGTH.size])
    header, body = content[LENGTH.size : LENGTH.size + length], content[LENGTH.size + length :]
    entries = {name: entry for name, entry in json.loads(bytes(header)).items() if name != "__metadata__"}
    state = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        state[name] = torch.frombuffer(body[begin:end], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return state


def safetensors_bytes(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file of the tensors, by key, with text in its header. Equal input gives equal bytes."""
    names = {dtype: name for name, dtype in TYPES.items()}
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    parts: list[bytes] = []
    place = 0
    for key in sorted(state, key=lambda key: (-state[key].element_size(), key)):  # so that all begin aligned
        value = state[key].detach().cpu().contiguous()
        parts.append(value.reshape(-1).view(torch.uint8).numpy().tobytes())
        end = place + len(parts[-1])
        header[key] = {"dtype": names[value.dtype], "shape": list(value.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % LENGTH.size)  # tensors begin at a multiple of eight bytes
    return b"".join([LENGTH.pack(len(text)), text, *parts])


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(LENGTH.size + 1)
    return head[LENGTH.size :] == b"{" and LENGTH.unpack(head[: LENGTH.size])[0] < path.stat().st_size


def _inner_file(path: Path) -> io.BytesIO | None:
    """Return the only .pt file of a zip archive. torch's own files are zip archives too, but contain none."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".pt") and not name.startswith("__MACOSX/")]
        return io.BytesIO(archive.read(members[0])) if len(members) == 1 else None
