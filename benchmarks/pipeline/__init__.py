"""Throughput of the whole stack on one machine, and the same model driven bare by Triton's own client.

python -m benchmarks.pipeline --images 20000 --out docs/benchmarks/pipeline-<machine>.json
"""
