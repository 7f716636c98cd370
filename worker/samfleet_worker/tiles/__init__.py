"""Large images in tiles: pixels of the tiles, and masks of the tiles merged into masks of the image.

Imports `samfleet`, `samfleet_models` and no other module of the worker.
"""
