"""Measures the dashboard in Chromium on a job of 100,000 images, the list of them, and an image of 5,000 masks.

    python -m benchmarks.dashboard --out docs/benchmarks/dashboard-<machine>.json

Starts PostgreSQL, the API and Debian's Chromium in temporary folders. For each page it takes the time to the first
contentful paint and to its contents, of an image also to its picture. It scrolls the list frame by frame, a short one
to the end and back, and compares memory and elements before and after. The intervals are those between the calls of
`requestAnimationFrame`, which Chromium makes 60 times a second at most.
"""
