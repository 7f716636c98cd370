from __future__ import annotations

import pytest

from samfleet.variants.task import Prompt
from samfleet.variants.tiling import ImageTooManyTiles, Tiling
from samfleet_worker.tiles import placing
from samfleet_worker.tiles.placing import PromptTile, place_prompts

SIZE = (1000, 600)
TILING = Tiling(400, 100)  # tiles start at x 0, 300, 600 and y 0, 200


def placed(*prompts: Prompt) -> tuple[PromptTile, ...]:
    return place_prompts(prompts, SIZE, TILING)


def box(x0: float, y0: float, x1: float, y1: float) -> Prompt:
    return Prompt(box=(x0, y0, x1, y1))


def point(x: float, y: float) -> Prompt:
    return Prompt(((x, y),), (1,))


def test_prompts_share_the_tile_that_holds_them_with_margin() -> None:
    tiles = placed(point(450, 350), box(10, 10, 60, 60), point(500, 450), box(900, 590, 999.5, 600))
    assert tiles == (
        PromptTile((0, 0, 400, 400), (400, 400), (1,)),
        PromptTile((300, 200, 700, 600), (400, 400), (0, 2)),
        PromptTile((600, 200, 1000, 600), (400, 400), (3,)),
    )


def test_a_prompt_on_a_seam_goes_to_a_crop_around_it_which_others_share() -> None:
    tiles = placed(box(250, 250, 450, 350), box(300, 260, 400, 340))
    assert tiles == (PromptTile((150, 100, 550, 500), (400, 400), (0, 1)),)
    (near_the_edge,) = placed(box(280, 0, 420, 100))
    assert near_the_edge == PromptTile((150, 0, 550, 400), (400, 400), (0,))


def test_a_prompt_larger_than_a_tile_gets_a_scaled_crop() -> None:
    (wide,) = placed(box(100, 200, 700, 300))
    assert wide == PromptTile((0, 0, 800, 600), (400, 300), (0,))
    (whole,) = placed(Prompt(((0, 0), (1000, 600)), (1, 1)))
    assert whole == PromptTile((0, 0, 1000, 600), (400, 240), (0,))
    for tile in (wide, whole):
        assert max(tile.size) == TILING.size


def test_prompts_are_moved_into_the_picture_that_is_sent() -> None:
    tile = PromptTile((100, 50, 900, 450), (400, 200), (0,))
    moved = tile.moved(Prompt(((100, 50), (500, 250)), (1, 0), (300, 150, 900, 450), multimask=True))
    assert moved == Prompt(((0, 0), (200, 100)), (1, 0), (100, 50, 400, 200), multimask=True)
    assert PromptTile((100, 50, 500, 450), (400, 400), (0,)).moved(point(250, 60)) == point(150, 10)


@pytest.mark.parametrize(
    "prompt",
    [box(-1, -1, 1001, 601), point(-1, 601), point(1000, 600), box(500, 300, 500, 300), box(0, 0, 1, 1)],
)
def test_prompts_at_the_edges_lie_in_their_window(prompt: Prompt) -> None:
    (tile,) = placed(prompt)
    left, top, right, bottom = tile.window
    assert 0 <= left < right <= SIZE[0]
    assert 0 <= top < bottom <= SIZE[1]
    moved = tile.moved(prompt)
    for x, y in (*moved.points, *((moved.box[:2], moved.box[2:]) if moved.box else ())):
        assert -1 <= x <= tile.size[0] + 1
        assert -1 <= y <= tile.size[1] + 1


def test_an_image_without_prompts_has_one_tile() -> None:
    assert placed() == (PromptTile((0, 0, 400, 400), (400, 400), ()),)


def test_the_number_of_tiles_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "MOST_TILES", 1)
    assert len(placed(point(50, 50))) == 1
    with pytest.raises(ImageTooManyTiles, match="need 2 tiles of 400 pixels, the limit is 1"):
        placed(point(50, 50), point(950, 50))
