"""The image view by itself: what its canvases show and how gestures change its frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from samfleet.masks.rle import encode_mask

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 400, 300  # of the view, CSS pixels
Bits = NDArray[np.bool_]

OPEN = """async ({ masks, size, width, height, style }) => {
    const { createView } = await import("/dashboard/static/viewer/view.js");
    const parent = document.createElement("div");
    Object.assign(parent.style, { width: `${width}px`, height: `${height}px`, position: "fixed", inset: "0" });
    document.body.replaceChildren(parent);
    const view = createView({ label: "A picture" });
    parent.append(view.element);
    const picture = new OffscreenCanvas(size[1], size[0]);
    picture.getContext("2d").fillRect(0, 0, size[1], size[0]);
    view.setPicture(picture, size[1], size[0]);
    view.setStyle(style);
    view.setMasks(masks);
    Object.assign(window, { view, masks, frames: [], hovered: [], clicked: [] });
    view.onFrame((frame) => window.frames.push(frame));
    view.onHover((index) => window.hovered.push(index));
    view.onClick((index) => window.clicked.push(index));
}"""
DRAWN = """async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const canvas = document.querySelectorAll(".view canvas")[1];
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...new Uint32Array(data.buffer)].map((pixel) => pixel >>> 0).concat(width, height);
}"""
FILL = {"drawn": "fill", "opacity": 1}


def sent(bits: Bits, colour: tuple[int, int, int], *, shown: bool = True) -> dict[str, Any]:
    segmentation = {"size": list(bits.shape), "counts": encode_mask(bits)}
    return {"segmentation": segmentation, "colour": colour, "shown": shown}


def open_view(page: Page, masks: list[dict[str, Any]], size: tuple[int, int], style: dict[str, Any] = FILL) -> None:
    options = {"masks": masks, "size": size, "width": WIDTH, "height": HEIGHT, "style": style}
    page.evaluate(OPEN, options)
    expect(page.locator(".view[aria-busy]")).to_have_count(0)


def drawn(page: Page) -> NDArray[np.uint8]:
    """Return the mask layer as [height, width, RGBA]."""
    *pixels, width, height = page.evaluate(DRAWN)
    return np.array(pixels, dtype="<u4").view(np.uint8).reshape(height, width, 4)


def at_scale_one(page: Page) -> None:
    page.evaluate(f"view.setFrame({{ scale: 1, x: {WIDTH / 2}, y: {HEIGHT / 2} }})")


def some_masks() -> list[Bits]:
    random = np.random.default_rng(11)
    blocks = [np.kron(random.random((6, 8)) < share, np.ones((50, 50), dtype=np.bool_)) for share in (0.2, 0.8, 0.5)]
    noise = random.random((HEIGHT, WIDTH)) < 0.05
    return [*(block.astype(np.bool_) for block in blocks), noise]


def painted(masks: list[Bits], shown: list[bool]) -> NDArray[np.int64]:
    """Reference: index + 1 of the smallest shown mask of every pixel, 0 without one."""
    labels = np.zeros(masks[0].shape, dtype=np.int64)
    for index in sorted(range(len(masks)), key=lambda index: -int(masks[index].sum())):
        if shown[index]:
            labels[masks[index]] = index + 1
    return labels


def test_every_pixel_has_the_colour_of_its_smallest_shown_mask(page: Page) -> None:
    masks, shown = some_masks(), [True, True, False, True]
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], dtype=np.uint8)
    views = [sent(bits, tuple(colours[index + 1].tolist()), shown=shown[index]) for index, bits in enumerate(masks)]
    open_view(page, views, (HEIGHT, WIDTH))
    at_scale_one(page)
    found = drawn(page)
    labels = painted(masks, shown)
    assert found[..., :3].tolist() == colours[labels].tolist()
    assert (found[..., 3] == np.where(labels, 255, 0)).all()
    page.evaluate("view.setMasks(masks.map((mask, index) => ({ ...mask, shown: index === 2 })))")
    expect(page.locator(".view[aria-busy]")).to_have_count(0)
    assert (drawn(page)[..., 3] > 0).tolist() == masks[2].tolist()


def test_a_highlighted_mask_is_drawn_completely_and_dims_the_others(page: Page) -> None:
    large, small = np.zeros((2, HEIGHT, WIDTH), dtype=np.bool_)
    large[50:250, 50:350] = True
    small[100:150, 100:200] = True
    open_view(
        page, [sent(large, (200, 0, 0)), sent(small, (0, 200, 0))], (HEIGHT, WIDTH), {"drawn": "both", "opacity": 0.5}
    )
    at_scale_one(page)
    before = drawn(page)
    page.evaluate("view.highlight([0])")
    after = drawn(page)
    assert before[120, 150].tolist() == pytest.approx([0, 200, 0, 128], abs=1)  # the canvas stores products with alpha
    assert after[120, 150].tolist() == pytest.approx([200, 0, 0, 153], abs=1)
    assert after[50, 200].tolist() == [255, 255, 255, 255]
    page.evaluate("view.highlight([1])")
    assert drawn(page)[200, 200, 3] == round(255 * 0.5 * 0.4)


def test_outlines_have_their_colour_at_their_edge_only(page: Page) -> None:
    bits = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    bits[50:250, 50:350] = True
    open_view(page, [], (HEIGHT, WIDTH))
    at_scale_one(page)
    outline = {**sent(bits, (255, 255, 0)), "dashed": False}
    page.evaluate("outline => view.setOutlines([outline])", outline)
    found = drawn(page)
    assert found[50, 200].tolist() == [255, 255, 0, 255]
    assert found[48, 200].tolist() == [0, 0, 0, 255]
    assert found[150, 200].tolist() == [0, 0, 0, 0]


def test_images_of_many_megapixels_are_sampled(page: Page) -> None:
    height, width = 6001, 7003
    script = """async ([mask]) => {
        const { emptyLabels, paint, spansOf } = await import("/dashboard/static/viewer/spans.js");
        const spans = spansOf(mask.segmentation);
        const labels = emptyLabels([spans], null);
        paint(labels, spans, 1);
        const filled = [];
        labels.values.forEach((value, at) => value && filled.push(at));
        return [labels.step, labels.width, labels.height, filled];
    }"""
    bits = np.zeros((height, width), dtype=np.bool_)
    bits[101:108, 3000:3005] = True
    bits[5990:, 7:9] = True
    step, columns, rows, filled = page.evaluate(script, [sent(bits, (1, 2, 3))])
    reference = bits[::2, ::2]
    assert (step, (rows, columns)) == (2, reference.shape)
    assert filled == np.flatnonzero(reference.T).tolist()


def test_keys_wheel_drag_and_double_click_change_the_frame(page: Page) -> None:
    bits = np.zeros((150, 200), dtype=np.bool_)
    bits[:, 100:] = True
    open_view(page, [sent(bits, (0, 0, 255))], (150, 200))
    assert page.evaluate("view.fitted()")
    fitting = page.evaluate("view.frame()")
    assert fitting == {"scale": pytest.approx(0.98 * 2), "x": 100, "y": 75}
    page.locator(".view").focus()
    page.keyboard.press("+")
    assert page.evaluate("view.frame().scale") == pytest.approx(1.25 * fitting["scale"])
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("view.frame().x") == pytest.approx(100 + WIDTH / 8 / (1.25 * fitting["scale"]))
    page.keyboard.press("0")
    assert page.evaluate("[view.fitted(), view.frame()]") == [True, fitting]
    page.mouse.move(100, 60)
    page.mouse.wheel(0, -200)
    expect(page.locator(".view.zoomed")).to_be_visible()
    zoomed = page.evaluate("view.frame()")
    assert zoomed["scale"] > fitting["scale"]
    assert zoomed["x"] + (100 - WIDTH / 2) / zoomed["scale"] == pytest.approx(
        100 + (100 - WIDTH / 2) / fitting["scale"]
    )
    page.mouse.down()
    page.mouse.move(130, 60, steps=3)
    page.mouse.up()
    assert page.evaluate("view.frame().x") == pytest.approx(zoomed["x"] - 30 / zoomed["scale"])
    assert page.evaluate("clicked") == []  # a drag is no click
    page.keyboard.press("0")
    page.mouse.dblclick(300, 150)
    assert page.evaluate("view.frame().scale") == pytest.approx(2 * fitting["scale"])
    assert page.evaluate("clicked") == [0, 0]
    assert page.evaluate("frames.at(-1)") == page.evaluate("view.frame()")


def test_the_mask_under_the_pointer_is_reported(page: Page) -> None:
    large, small = np.zeros((2, HEIGHT, WIDTH), dtype=np.bool_)
    large[50:250, 50:350] = True
    small[100:150, 100:200] = True
    open_view(page, [sent(small, (0, 200, 0)), sent(large, (200, 0, 0))], (HEIGHT, WIDTH))
    at_scale_one(page)
    for x, y in ((150, 120), (160, 130), (300, 200), (10, 10)):
        page.mouse.move(x, y)
    assert page.evaluate("hovered") == [0, 1, None]


def test_a_quiet_frame_is_not_reported(page: Page) -> None:
    open_view(page, [], (HEIGHT, WIDTH))
    page.evaluate("view.setFrame({ scale: 3, x: 20, y: 30 }, { quiet: true })")
    assert page.evaluate("[view.frame(), frames]") == [{"scale": 3, "x": 20, "y": 30}, []]
    page.evaluate("view.setFrame({ scale: 3, x: -20, y: 1000 })")
    assert page.evaluate("frames") == [{"scale": 3, "x": 0, "y": HEIGHT}]


PINCH = """(moves) => {
    const element = document.querySelector(".view");
    element.setPointerCapture = () => {};  // these pointers are not of a device
    for (const [type, pointerId, clientX, clientY] of moves)
        element.dispatchEvent(new PointerEvent(type, { pointerId, clientX, clientY, bubbles: true }));
}"""


def test_two_fingers_zoom_about_their_middle_and_are_no_click(page: Page) -> None:
    open_view(page, [], (HEIGHT, WIDTH))
    at_scale_one(page)
    down = [("pointerdown", 1, 150, 100), ("pointerdown", 2, 250, 100)]
    apart = [("pointermove", 1, 100, 100), ("pointermove", 2, 300, 100)]
    page.evaluate(PINCH, [*down, *apart, ("pointerup", 1, 100, 100), ("pointerup", 2, 300, 100)])
    frame = page.evaluate("view.frame()")
    assert frame["scale"] == pytest.approx(2)
    middle = frame["x"] + (200 - WIDTH / 2) / 2, frame["y"] + (100 - HEIGHT / 2) / 2
    assert middle == pytest.approx((200, 100))
    assert page.evaluate("clicked") == []
