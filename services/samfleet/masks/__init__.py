"""Masks and their pictures: run lengths, overlays, upright sizes, grey levels.

May import `image_errors` and below.
"""
