"""Weights: sources, downloads, pins, verification.

May import `variants` and below.
"""
