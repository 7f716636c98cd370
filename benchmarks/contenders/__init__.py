"""Other programs for the same task, each measured in another Python: they need packages that ours excludes.

Nothing in this folder imports samfleet. docs/benchmarks/README.md describes the protocol.
"""
