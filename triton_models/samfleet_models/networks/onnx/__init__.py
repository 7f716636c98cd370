"""Variants published as ONNX graphs: an encoder and a decoder run by ONNX Runtime.

May import from `mask_generation` down.
"""
