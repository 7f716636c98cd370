"""Review of masks in the browser: progress on the job's page, and the panel beside the masks of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE, looked_at
from fixtures.worker.recorded_jobs import carry_out, new_job, plan
from samfleet.db.models import MaskState
from samfleet.reviews.decisions import Decision, Decisions, changed, merged_sets
from samfleet_api.reviews.requests import MaskChange

pytestmark = pytest.mark.browser


def change(tenant: Tenant, run_id: str, image_id: int, *changes: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/runs/{run_id}/images/{image_id}/review"
    version = tenant.http.get(path).json()["version"]
    answer = tenant.http.patch(path, json={"version": version, "changes": list(changes)})
    review: dict[str, Any] = answer.raise_for_status().json()
    return review


def test_the_job_page_shows_progress_and_leads_to_the_next_image(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, images=4, variants=["mobile_sam", "tinysam"])
    carry_out(api, job)
    reviewed, other = job["runs"][0], job["runs"][1]
    change(tenant, reviewed["id"], 1, {"masks": [0, 1], "state": "accepted"})
    change(tenant, reviewed["id"], 2, {"masks": [0], "state": "rejected"})
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    section = page.locator("#reviews")
    row = section.get_by_role("row").filter(has_text=reviewed["variant"])
    expect(row).to_contain_text("1 of 4")
    assert row.get_by_role("cell").all_inner_texts()[1:6] == ["2", "1", "0", "5", "registered 3"]
    section.screenshot(path=pictures / "review-progress.png")
    assert Axe().run(page).response["violations"] == []
    expect(section.get_by_role("button", name=f"Review: {other['variant']}")).to_be_visible()
    section.get_by_role("button", name=f"Continue: {reviewed['variant']}").click()
    page.wait_for_url(f"**/runs/{reviewed['id']}/images/2")


def test_a_job_without_results_says_when_it_can_be_reviewed(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2)
    plan(api, job)
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#reviews")).to_contain_text("as soon as an image is segmented")
    carry_out(api, job)
    expect(page.locator("#reviews").get_by_role("button", name="Review: mobile_sam")).to_be_visible()
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


# The panels of the image page beside its view, with the part of the page that they need.
COMPOSED = """async ([runId, imageId]) => {
    const { createView } = await import("/dashboard/static/viewer/view.js");
    const { panels } = await import("/dashboard/static/viewer/page_parts.js");
    const { get } = await import("/dashboard/static/api.js");
    const [run, image] = await Promise.all([get(`/v1/runs/${runId}`), get(`/v1/runs/${runId}/images/${imageId}`)]);
    const view = createView({ label: image.file_name });
    const listeners = [];
    let chosen = [];
    const selection = {
        get: () => chosen,
        set: (indexes) => { chosen = [...indexes].sort((a, b) => a - b); listeners.forEach((one) => one(chosen)); },
        onChange: (listener) => listeners.push(listener),
    };
    window.selection = selection;
    const context = { run, image, masks: image.masks, selection, view, refresh() {} };
    const titles = ["h1", "h2"].map((name) => Object.assign(document.createElement(name), { textContent: "Masks" }));
    document.querySelector("main").replaceChildren(...titles, ...panels.map((panel) => panel(context)).filter(Boolean));
}"""


def compose(page: Page, run_id: str, image_id: int) -> Locator:
    looked_at(page, "/dashboard/variants")
    page.evaluate(COMPOSED, [run_id, image_id])
    panel = page.get_by_role("region", name="Review")
    expect(panel.get_by_role("button", name="Accept", exact=True)).to_be_visible()
    return panel


def select(page: Page, *masks: int) -> None:
    page.evaluate("(masks) => window.selection.set(masks)", list(masks))


def test_masks_are_decided_by_keys_and_undone(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job)
    run_id = job["runs"][0]["id"]
    path = f"/v1/runs/{run_id}/images/1/review"
    panel = compose(page, run_id, 1)
    expect(panel).to_contain_text("Not reviewed")
    expect(panel).to_contain_text("2 undecided · 0 of 2 images reviewed")
    page.keyboard.press("a")  # without a selection it selects the first undecided mask
    expect(panel).to_contain_text("Mask 1: undecided")
    page.keyboard.press("a")
    expect(panel).to_contain_text("Mask 2: undecided")
    page.keyboard.press("r")
    expect(panel).to_contain_text("1 accepted, 1 rejected · 1 of 2 images reviewed")
    expect(panel.get_by_role("status")).to_have_text("Saved")
    assert [one["state"] for one in tenant.http.get(path).json()["masks"]] == ["accepted", "rejected"]
    page.keyboard.press("u")
    expect(panel).to_contain_text("1 accepted, 1 undecided")
    select(page, 1)
    page.keyboard.press("c")
    page.keyboard.type("shelf a")  # letters in a field decide nothing
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("Mask 2: undecided, shelf a")
    select(page, 0, 1)
    page.keyboard.press("m")
    expect(panel).to_contain_text("Mask 1, 2: accepted, shelf a, merged by registered")
    assert tenant.http.get(path).json()["masks"][0]["merged"] == [0, 1]
    panel.get_by_role("button", name="Take apart").click()
    expect(panel.get_by_role("button", name="Merge")).to_be_visible()
    for _ in range(3):
        panel.get_by_role("button", name="Undo").click()
        expect(panel.get_by_role("status")).to_have_text("Saved")
    expect(panel).to_contain_text("1 accepted, 1 undecided")
    (only,) = tenant.http.get(path).json()["masks"]
    assert (only["mask"], only["state"], only["category"], only["merged"]) == (0, "accepted", None, None)


def test_the_rest_is_accepted_and_the_next_image_follows(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, images=3)
    carry_out(api, job)
    run_id = job["runs"][0]["id"]
    panel = compose(page, run_id, 1)
    page.keyboard.press("?")
    expect(panel.get_by_text("accept all undecided masks")).to_be_visible()
    panel.screenshot(path=pictures / "review-panel-keys.png")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Shift+A")
    expect(panel).to_contain_text("2 accepted · 1 of 3 images reviewed")
    expect(panel.get_by_role("button", name="Accept the rest")).to_be_disabled()
    page.keyboard.press("n")
    page.wait_for_url(f"**/runs/{run_id}/images/2")


def test_another_reviewer_and_a_lost_connection_are_shown(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job)
    run_id = job["runs"][0]["id"]
    panel = compose(page, run_id, 1)
    change(tenant, run_id, 1, {"masks": [1], "state": "deleted"})
    select(page, 1)
    page.keyboard.press("a")
    expect(panel).to_contain_text("Another reviewer has changed this image")
    expect(panel).to_contain_text("Mask 2: deleted by registered")
    page.context.set_offline(offline=True)
    select(page, 0)
    page.keyboard.press("a")
    expect(panel.get_by_role("status")).to_have_text("Not saved")
    panel.screenshot(path=pictures / "review-panel-failed.png")
    page.context.set_offline(offline=False)
    panel.get_by_role("button", name="Save again").click()
    expect(panel.get_by_role("status")).to_have_text("Saved")
    states = [one["state"] for one in tenant.http.get(f"/v1/runs/{run_id}/images/1/review").json()["masks"]]
    assert states == ["accepted", "deleted"]
    tenant.http.delete(f"/v1/jobs/{job['id']}").raise_for_status()
    select(page, 0)
    page.keyboard.press("r")
    expect(panel.get_by_role("status")).to_have_text("Not saved")
    expect(panel.get_by_role("alert")).to_contain_text("run")
    expect(panel.get_by_role("button", name="Save again")).to_have_count(0)  # it would never be taken


def random_changes(random: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Return changes as the panel makes them, of an image with `count` masks."""
    changes = []
    for _ in range(random.integers(1, 4)):
        masks = random.choice(count, size=random.integers(2, 4), replace=False).tolist()
        kinds: list[dict[str, Any]] = [{"merge": True}, {"merge": False}, {"category": "cat"}, {"category": None}]
        kinds += [{"state": state.value} for state in MaskState]
        changes.append({"masks": masks, **kinds[random.integers(len(kinds))]})
    return changes


def decided(before: Decisions, changes: list[dict[str, Any]], count: int) -> dict[int, Decision]:
    return changed(before, [MaskChange.model_validate(one).to_change() for one in changes], count)


def as_replied(decisions: Decisions) -> list[dict[str, Any]]:
    sets = merged_sets(decisions)
    return [
        {
            "mask": mask,
            "state": one.state.value,
            "category": one.category,
            "merged": None if one.merged_into is None else sets[one.merged_into],
        }
        for mask, one in decisions.items()
    ]


def test_undo_leads_back_to_every_earlier_state(page: Page) -> None:
    """The changes that the page computes are applied by the server's function."""
    random = np.random.default_rng(3)
    cases = []
    for _ in range(300):
        before = decided(decided({}, random_changes(random, 6), 6), random_changes(random, 6), 6)
        cases.append((before, decided(before, random_changes(random, 6), 6)))
    script = """async (cases) => {
        const { changesBack, decisionsOf } = await import("/dashboard/static/review/decisions.js");
        const read = (masks) => decisionsOf({ masks });
        return cases.map(([before, after]) => changesBack(read(before), read(after)));
    }"""
    found = page.evaluate(script, [[as_replied(before), as_replied(after)] for before, after in cases])
    for (before, after), changes in zip(cases, found, strict=True):
        assert decided(after, changes, 6) == before


def test_the_image_page_shows_the_review_in_its_list(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job)
    run_id = job["runs"][0]["id"]
    change(tenant, run_id, 1, {"masks": [1], "state": "rejected", "category": "shelf"})
    looked_at(page, f"/dashboard/runs/{run_id}/images/1")
    listed = page.get_by_role("region", name="Masks").get_by_role("row")
    expect(listed.filter(has_text="rejected")).to_contain_text("shelf")
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(listed.filter(has_text="accepted")).to_have_count(1)
    panel = page.get_by_role("region", name="Review")
    expect(panel).to_contain_text("1 accepted, 1 rejected · 1 of 2 images reviewed")
    page.screenshot(path=pictures / "review-page.png", full_page=True)
    assert Axe().run(page).response["violations"] == []
    page.reload()
    expect(listed.filter(has_text="accepted")).to_have_count(1)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.screenshot(path=pictures / "review-page-phone.png", full_page=True)
