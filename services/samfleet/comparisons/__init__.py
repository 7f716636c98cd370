"""Comparison of the masks of two runs over the same images.

May import `exports`, `jobs` and below.
"""
