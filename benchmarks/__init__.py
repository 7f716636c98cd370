"""Benchmarks: the engine against its references, reports, samplers, limits of the API, the check of a GPU machine.

May import every package.
"""
