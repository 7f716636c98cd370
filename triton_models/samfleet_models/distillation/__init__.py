"""Distillation: a student network learns embeddings or masks from a hosted teacher.

May import from `serving` and `parity` down; only `tools` imports it.
"""
