"""Chaos suite: one job on a real stack, undisturbed, then again under each disturbance (`docs/chaos.md`).

`make chaos SEED=1 ARGS="--images 200 --only kills"`
"""
