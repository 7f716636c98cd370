from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from fixtures.api.measured_tenant import finished_job
from fixtures.api.running_api import Api, Tenant
from samfleet.masks.rle import encode_mask

pytestmark = pytest.mark.browser


def test_run_lengths_of_pycocotools_are_decoded(page: Page) -> None:
    random = np.random.default_rng(7)
    masks = [random.random((37, 53)) < share for share in (0.0, 0.02, 0.5, 1.0)]
    masks.append(np.kron(random.random((3, 2)) < 0.5, np.ones((200, 300), dtype=np.bool_)).astype(np.bool_))
    sent = [{"size": list(mask.shape), "counts": encode_mask(mask)} for mask in masks]
    script = """async (masks) => {
        const { eachPixel, covers } = await import("/dashboard/static/rle.js");
        return masks.map((mask) => {
            const found = [];
            eachPixel(mask, (pixel) => found.push(pixel));
            return [found, covers(mask, 5, 7), covers(mask, mask.size[1], 0)];
        });
    }"""
    for bits, (found, covered, outside) in zip(masks, page.evaluate(script, sent), strict=True):
        assert sorted(found) == np.flatnonzero(bits).tolist()
        assert (covered, outside) == (bool(bits[7, 5]), False)


def painted(page: Page) -> int:
    """Return the pixels of the canvas that a mask covers."""
    script = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 === 3)"
    count: int = page.locator("canvas").evaluate(f"c => ({script})(c).filter(a => a > 0).length")
    return count


def test_masks_are_drawn_on_their_picture_and_toggled_by_keyboard(
    api: Api, tenant: Tenant, folder: Path, page: Page
) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    page.locator("canvas").wait_for()
    assert painted(page) == 10 * 24  # the large mask covers the small ones
    boxes = page.get_by_role("checkbox")
    assert boxes.count() == 3
    boxes.first.focus()
    page.keyboard.press("Space")
    assert painted(page) == 10 * (8 + 6)
    assert page.url.endswith("?hidden=0")
    page.reload()
    expect(boxes.first).not_to_be_checked()
    assert painted(page) == 10 * (8 + 6)
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 8 / 32, box["y"] + box["height"] * 10 / 24)
    expect(page.locator("label.hot")).to_have_count(1)
    assert page.get_by_role("img", name="Stages of this image in order").locator("rect.length").count() == 5
    assert page.get_by_role("table", name="Stages of this image").get_by_role("row").count() == 1 + 5
