"""Reports over the rollups: latency, throughput, quality, cost, Pareto fronts, comparison.

May import `rollups` and below.
"""
