from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fixtures.models.onnx_pairs import GRID, IOUS, OFFSETS, SCALES, SIDE, write_decoder, write_encoder
from samfleet.variants.graphs import DIALECTS, Dialect, MaskCount
from samfleet_models.networks.onnx.decoder import OnnxDecoder
from samfleet_models.networks.onnx.graph import Graph, GraphMismatch, GraphUnreadable

CPU = torch.device("cpu")


def dialect(name: str = "edgesam", count: MaskCount = 4) -> Dialect:
    known = DIALECTS[name]
    return replace(known, decoder=replace(known.decoder, mask_count=count))


def decoder(path: Path, names: Dialect, *, prompts: int | str = 1, leading: bool = False) -> OnnxDecoder:
    graph = Graph(write_decoder(path / "decoder.onnx", names, prompts=prompts, leading=leading), CPU)
    return OnnxDecoder(graph, names.decoder, SIDE, CPU)


def features(brightness: float, names: Dialect) -> tuple[torch.Tensor, ...]:
    sizes = [scale * GRID for scale in SCALES[len(names.decoder.features)]]
    return tuple(torch.full((1, 1, size, size), brightness) for size in sizes)


def boxes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(count, 2, 2), torch.tensor([[2, 3]] * count)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("prompts", [1, "prompts"])
def test_every_dialect_decodes_prompts_of_several_images(tmp_path: Path, name: str, prompts: int | str) -> None:
    names = DIALECTS[name]
    tested = decoder(tmp_path, names, prompts=prompts)
    dark, bright = (tested.prepare(features(value, names)) for value in (-1.0, 3.0))
    contexts = [dark] * 3 + [bright] * 10
    scored = tested.score(contexts, *boxes(len(contexts)))
    assert scored.ious.shape == (13, 4)
    rows = torch.tensor([1, 2, 3, 12])
    drawn = tested.draw(scored, rows, torch.tensor([2, 3, 2, 1]))
    assert drawn.ious.tolist() == pytest.approx([IOUS[2], IOUS[3], IOUS[2], IOUS[1]])
    expected = [-1 + OFFSETS[2], -1 + OFFSETS[3], 3 + OFFSETS[2], 3 + OFFSETS[1]]
    assert drawn.logits.mean((1, 2)).tolist() == pytest.approx(expected)
    assert drawn.logits.shape == (4, SIDE, SIDE)


@pytest.mark.parametrize(("count", "given"), [(4, {0, 1, 2, 3}), (3, {1, 2, 3}), (1, {0})])
def test_masks_missing_in_the_graph_are_never_chosen(tmp_path: Path, count: MaskCount, given: set[int]) -> None:
    names = dialect(count=count)
    tested = decoder(tmp_path, names)
    scored = tested.score(tested.prepare(features(1.0, names)), *boxes(2))
    assert {mask for mask in range(4) if scored.ious[1, mask] > -torch.inf} == given
    first = {4: 0, 3: 1, 1: 2}[count]
    drawn = tested.draw(scored, torch.tensor([0, 1]), torch.tensor([min(given)] * 2))
    assert drawn.ious.tolist() == pytest.approx([IOUS[first]] * 2)
    assert drawn.logits.mean((1, 2)).tolist() == pytest.approx([1 + OFFSETS[first]] * 2)


def test_graphs_may_have_a_batch_dimension_before_the_prompts(tmp_path: Path) -> None:
    names = dialect()
    tested = decoder(tmp_path, names, prompts="prompts", leading=True)
    scored = tested.score(tested.prepare(features(1.0, names)), *boxes(5))
    assert scored.logits.shape == (5, 4, SIDE, SIDE)


def test_unknown_tensor_names_are_refused_with_those_of_the_graph(tmp_path: Path) -> None:
    path = write_decoder(tmp_path / "decoder.onnx", dialect())
    with pytest.raises(GraphMismatch, match="takes image_embeddings, point_coords, point_labels and gives masks, sco"):
        OnnxDecoder(Graph(path, CPU), DIALECTS["sam"].decoder, SIDE, CPU)


def test_a_wrong_number_of_masks_is_refused(tmp_path: Path) -> None:
    graph = Graph(write_decoder(tmp_path / "decoder.onnx", dialect()), CPU)
    tested = OnnxDecoder(graph, dialect(count=3).decoder, SIDE, CPU)
    with pytest.raises(GraphMismatch, match="correct mask_count"):
        tested.score(tested.prepare(features(1.0, dialect())), *boxes(1))


def test_a_file_other_than_a_graph_is_refused(tmp_path: Path) -> None:
    whole = write_encoder(tmp_path / "encoder.onnx", dialect()).read_bytes()
    for content in (b"", b"no graph at all", whole[: len(whole) // 2]):
        (tmp_path / "broken.onnx").write_bytes(content)
        with pytest.raises(GraphUnreadable, match=r"broken\.onnx cannot be run by ONNX Runtime"):
            Graph(tmp_path / "broken.onnx", CPU)
