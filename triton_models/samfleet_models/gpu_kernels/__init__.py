"""Kernels for GPUs in Triton's Python language. Their modules need the package `triton`.

With `TRITON_INTERPRET=1` they run on CPU tensors, for tests. `samfleet_kernels.gpu` says whether a process uses them.
"""
