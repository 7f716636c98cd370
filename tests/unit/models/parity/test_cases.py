"""`variants verify` on recorded cases of a tiny variant; their outputs come from the network itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.models.tiny_variant import tiny
from samfleet.variants import catalogue
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import Prompt
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.parity.cases import CasesInvalid, find_cases
from samfleet_models.parity.findings import Tolerances
from samfleet_models.parity.sam_cases import Subject
from samfleet_models.parity.verify import main, verify_variant

__all__ = ["tiny"]

FILL = """
import zlib
import numpy as np
def fill_tensor(key, shape, dtype="float32"):
    if not dtype.startswith("float"):
        return np.zeros(shape, dtype=dtype)
    values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32) * 0.1
    return np.abs(values) + 1 if "running_var" in key else values
def sample_image(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
"""
PROMPTS: list[dict[str, Any]] = [{"points": [[20, 30]], "labels": [1]}, {"box": [10, 5, 60, 50]}]


@pytest.fixture
def record(tiny: tuple[VariantRecord, Path], monkeypatch: pytest.MonkeyPatch) -> VariantRecord:
    monkeypatch.setitem(catalogue.VARIANTS, "tiny", tiny[0])
    return tiny[0]


@pytest.fixture
def folder(record: VariantRecord, tmp_path: Path) -> Path:
    """A folder as another implementation would have recorded it."""
    own = tmp_path / "cases" / "tiny"
    own.mkdir(parents=True)
    (tmp_path / "cases" / "fill.py").write_text(FILL)
    network = build_network(record)
    manifest = {
        key: {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        for key, value in network.state_dict().items()
    }
    (own / "manifest.json").write_text(json.dumps(manifest))
    (own / "meta.json").write_text("{}")
    image = {"seed": 4, "height": 60, "width": 90}
    (own / "prompts.json").write_text(json.dumps({"case0": {"image": image, "prompts": PROMPTS}}))
    (cases,) = find_cases(own)
    network.load_published(cases.state())
    np.savez(own / "case0.npz", **outputs(network, cases.generator.sample_image(4, 60, 90)))
    return tmp_path / "cases"


@torch.inference_mode()
def outputs(network: SamNetwork, image: Any) -> dict[str, Any]:
    pixels = network.processor.network_input([network.processor.resize(image)], network.device)
    features = network.encode(pixels)
    subject = Subject(network, None, None, None, network.processor.frame(60, 90), features)  # type: ignore[arg-type]  # only its results are used
    arrays: dict[str, Any] = {"pixels_probe": pixels[0, :, ::16, ::16], "embedding_probe": features[0][0, :, ::8, ::8]}
    arrays |= {"embedding_c4": features[0][0, ::4].half(), "embedding_mean": features[0][0].flatten(1).mean(1)}
    for number, values in enumerate(PROMPTS):
        points, box = tuple(map(tuple, values.get("points", ()))), values.get("box")
        prompt = Prompt(points, tuple(values.get("labels", ())), tuple(box) if box else None)
        for mode, masks in (("multi", [1, 2, 3]), ("single", [0])):
            logits, ious = subject.drawn(network.decoder, prompt, masks)
            found = subject.served(replace(prompt, multimask=mode == "multi"))
            arrays |= {f"low_res_{number}_{mode}_s2": logits[:, ::2, ::2].half(), f"iou_{number}_{mode}": ious}
            arrays |= {f"mask_{number}_{mode}": np.packbits(found), f"mask_{number}_{mode}_shape": found.shape}
    return {name: np.asarray(value) for name, value in arrays.items()}


def changed(folder: Path, name: str, change: float) -> None:
    path = folder / "tiny" / "case0.npz"
    with np.load(path) as arrays:
        values = dict(arrays)
    values[name] = (values[name] + np.asarray(change)).astype(values[name].dtype)
    np.savez(path, **values)


def test_recorded_outputs_are_reproduced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("tiny ")
    assert " passed " in line
    for kind in ("keys", "pixels", "embedding", "embedding (float16)", "logits (float16)", "IoU head", "masks"):
        assert kind in line


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pixels_probe", "pixels"), ("embedding_probe", "embedding"), ("iou_1_single", "IoU head")],
)
def test_a_different_output_fails(folder: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    changed(folder, name, 0.5)
    assert main([str(folder)]) == 1
    assert "FAILED" in capsys.readouterr().out
    verdict = verify_variant(find_cases(folder)[0])
    assert [found for found, worst in verdict.worst.items() if worst.excess > 1] == [kind]


def test_a_different_mask_fails(folder: Path) -> None:
    path = folder / "tiny" / "case0.npz"
    with np.load(path) as arrays:
        values = dict(arrays)
    values["mask_0_multi"] = ~values["mask_0_multi"]
    np.savez(path, **values)
    verdict = verify_variant(find_cases(folder)[0])
    assert verdict.worst["masks"].excess > 1


def test_every_output_is_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two prompts in two modes: once for logits and scores, and once as a request for the masks."""
    scored, score = [], FoldedDecoder.score

    def counted(decoder: FoldedDecoder, images: Any, coords: Tensor, labels: Tensor) -> Any:
        scored.append(len(coords))
        return score(decoder, images, coords, labels)

    monkeypatch.setattr(FoldedDecoder, "score", counted)
    assert verify_variant(find_cases(folder)[0]).passed
    assert scored == [1] * 8


def test_a_nan_output_fails(folder: Path) -> None:
    changed(folder, "embedding_probe", float("nan"))
    assert not verify_variant(find_cases(folder)[0]).passed


def test_different_keys_fail_before_any_case_runs(folder: Path) -> None:
    path = folder / "tiny" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["mask_decoder.iou_tokens"] = manifest.pop("mask_decoder.iou_token.weight")
    path.write_text(json.dumps(manifest))
    (folder / "tiny" / "case0.npz").unlink()
    verdict = verify_variant(find_cases(folder)[0])
    assert not verdict.passed
    assert "1 missing: mask_decoder.iou_token.weight; 1 unexpected: mask_decoder.iou_tokens" in verdict.line()


def test_outputs_that_are_not_compared_are_reported(folder: Path) -> None:
    path = folder / "tiny" / "case0.npz"
    with np.load(path) as arrays:
        values = dict(arrays)
    np.savez(path, **values, dreams=np.zeros(3))
    verdict = verify_variant(find_cases(folder)[0])
    assert verdict.passed
    assert verdict.line().endswith("not compared: dreams")


def test_an_unknown_variant_fails(folder: Path) -> None:
    (folder / "tiny").rename(folder / "sam_of_tomorrow")
    verdict = verify_variant(find_cases(folder)[0])
    assert not verdict.passed
    assert "sam_of_tomorrow" in verdict.line()


def test_a_folder_without_cases_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "[cases_invalid]" in capsys.readouterr().err
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "manifest.json").write_text("{}")
    with pytest.raises(CasesInvalid, match=r"fill\.py"):
        find_cases(tmp_path)


def test_tolerances_come_from_the_recorder() -> None:
    assert Tolerances.of({}) == Tolerances()
    assert Tolerances.of({"tolerance": {"mask_iou": 0.99, "note": "x"}}).mask_iou == 0.99
    sentence = (
        "abs: pixels_probe 1e-5 (uint8), embedding_probe 1e-4 (x max(1, std)), "
        "low_res_probe 2e-4 (HQ up to ~35: 2e-3), iou 1e-4; more"
    )
    found = Tolerances.of({"suggested_tolerance": sentence})
    assert (found.pixels, found.embedding, found.logits, found.large_logits, found.ious) == (
        1e-5,
        1e-4,
        2e-4,
        2e-3,
        1e-4,
    )


def test_the_tolerance_of_an_ill_conditioned_network_is_the_recorded_deviation() -> None:
    sentence = "embedding_probe 1e-4, low_res_probe 2e-4, iou 1e-4"
    moved = {"suggested_tolerance": sentence, "perturbation_check_case0": {"embedding_max_abs": 3e-4}}
    found = Tolerances.of(moved)
    assert found.embedding == pytest.approx(4e-4)
    assert found.logits == pytest.approx(8e-4)
