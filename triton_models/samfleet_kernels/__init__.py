"""CPU kernels in C++ and their library, which `python -m samfleet_kernels.build` compiles.

They work on addresses of float32 arrays and know no torch. May import from `samfleet.errors` only.
"""
