"""Routes of pools: their workers, Triton servers and devices.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
