"""Masks and pictures of them: run lengths, overlays, upright sizes, grey levels.

May import `image_errors` and below.
"""
