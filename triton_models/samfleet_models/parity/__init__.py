"""Comparison of a variant with recorded outputs of its official code: `samfleet variants verify`.

May import from `networks` down; only `tools` imports it.
"""
