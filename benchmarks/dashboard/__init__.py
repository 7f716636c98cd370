"""Measures the dashboard in Chromium on a run of 100,000 images and an image of 5,000 masks.

    python -m benchmarks.dashboard --out docs/benchmarks/dashboard-<machine>.json

Starts PostgreSQL, the API and Debian's Chromium in temporary folders. For each page it takes the time to the first
contentful paint, scrolls its list frame by frame, and compares memory and elements before and after. The intervals
are those between the calls of `requestAnimationFrame`, which Chromium makes 60 times a second at most.
"""
