"""Writes stand-ins for variants: `python -m samfleet_models.tools.stand_ins --out FOLDER VARIANT...`.

A stand-in has the architecture of a hosted variant and random weights, so its times are those of the variant and its
masks mean nothing. For each variant the folder gets `stand_in_<variant>.safetensors` and its record as YAML. A stand-in
that is there already is left alone. `all` writes one for each architecture that can have one and says why the other
variants get none. Exit codes: 0 done, 1 an error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.stand_ins import is_stand_in, stand_in_name
from samfleet.variants.trained_records import UNTRAINED
from samfleet_models.checkpoints.containers import safetensors_bytes
from samfleet_models.distillation.cache import write_whole
from samfleet_models.networks.families import FAMILIES
from samfleet_models.networks.registry import network_of

ALL = "all"
PROMPTED = frozenset({*FAMILIES, "squeeze_sam", "pico_sam"})  # their work depends on the prompts alone
SEED = 0
VECTOR_SPREAD = 0.1  # of gains around 1 and of biases around 0


class StandInImpossible(InvalidInput):
    """The variant's time depends on its weights, or samfleet has no torch network of it; it can have no stand-in."""

    code = "stand_in_impossible"


def write_stand_in(record: VariantRecord, folder: Path) -> Path:
    """Write the weights and, last, the record; return the path of the record. Raises `StandInImpossible`."""
    name = stand_in_name(record.name)
    path = folder / f"{name}.yaml"
    if path.exists():
        return path
    if (reason := obstacle(record)) is not None:
        raise StandInImpossible(f"{record.name} can have no stand-in: {reason}")
    weights = safetensors_bytes(random_state(published_network(record)), {})
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(path, _yaml(record, name, weights).encode())
    return path


def obstacle(record: VariantRecord) -> str | None:
    """Return the reason why a variant can have no stand-in; None if it can have one."""
    if record.detector is not None or record.family == "yolo":
        return "its time depends on the objects that it finds, and random weights find other ones"
    if record.family not in PROMPTED or record.checkpoint.layout in UNTRAINED:
        return "it is a file of another program; samfleet has no torch network of it"
    return None


def published_network(record: VariantRecord) -> nn.Module:
    """Return the untrained network whose keys a stand-in's file has."""
    network = network_of(record)
    own = network if record.family in FAMILIES else getattr(network, "network", None)
    if not isinstance(own, nn.Module):
        raise TypeError(f"{record.name} has no torch module to fill with random weights")
    return own


def of_each_architecture(records: Sequence[VariantRecord]) -> Iterator[tuple[VariantRecord, str | None]]:
    """Yield all variants, with the reason why one needs no stand-in or can have none."""
    seen: list[tuple[tuple[object, ...], str]] = []
    for record in records:
        work = (record.family, record.architecture, record.input_size, record.everything)
        like = next((name for other, name in seen if other == work), None)
        reason = obstacle(record) or (f"{like} has its architecture" if like else None)
        if reason is None:
            seen.append((work, record.name))
        yield record, reason


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Return random parameters that keep the scale of activations, the same on every machine; buffers stay."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, value in network.named_parameters():
            drawn = torch.randn(value.shape, generator=generator)
            if value.dim() > 1:
                value.copy_(drawn / max(1, value[0].numel()) ** 0.5)
            else:
                value.copy_(VECTOR_SPREAD * drawn + (1.0 if name.endswith("weight") else 0.0))
    return dict(network.state_dict())


def _yaml(record: VariantRecord, name: str, weights: bytes) -> str:
    fields = {
        "title": f"{record.title}, random weights",
        "like": record.name,
        "network": {
            "file": f"{name}.safetensors",
            "sha256": hashlib.sha256(weights).hexdigest(),
            "size_bytes": len(weights),
        },
        "code_licence": record.code_licence,
        "weights_licence": "Apache-2.0",  # of random numbers; nothing of the published weights is in them
        "origin": {"weights": "random numbers of samfleet_models.tools.stand_ins"},
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())  # JSON is YAML


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m samfleet_models.tools.stand_ins", description=__doc__)
    parser.add_argument("variants", nargs="+", help=f"names, or {ALL}")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        for record in _chosen(options.variants):
            print(write_stand_in(record, options.out))  # noqa: T201 - this is a command
    except SamfleetError as error:
        print(f"samfleet: {error.message} [{error.code}]", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    return 0


def _chosen(names: Sequence[str]) -> Iterator[VariantRecord]:
    if ALL not in names:
        yield from map(get_variant, names)
        return
    published = [record for name, record in VARIANTS.items() if not is_stand_in(name)]
    for record, reason in of_each_architecture(published):
        if reason is None:
            yield record
        else:
            print(f"{record.name}: {reason}", file=sys.stderr)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main())
