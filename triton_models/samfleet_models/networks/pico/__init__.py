"""PicoSAM2 and PicoSAM3: a small U-Net segments the region around each box, apart from the rest of the image.

May import from `mask_generation` down.
"""
