"""Blocks of fused image encoders by compiled kernels, in float32 on a CPU."""
