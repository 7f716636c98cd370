"""Other programs for the same task, each measured in another Python: they need packages that ours excludes.

Nothing in this folder imports samfleet, and of `tests/reference` only names.
docs/benchmarks/README.md describes the protocol.
"""
