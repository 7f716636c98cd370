"""Simulation of a fleet: the real dispatch, claims, leases, fair sharing and sweep, with simulated time and pools.

    python -m benchmarks.fleet
    python -m benchmarks.fleet --pools 1000 --images 10000000 --tenants 60

Real: PostgreSQL with the schema of the migrations, `plan_job`, `dispatch_run`, `fairest_shard`, `claim`, `renew`,
`hand_back`, `record`, `sweep` and the ends of runs and jobs, each in its own transaction as in a worker.

Simulated: the time (`benchmarks.fleet.clock`), the broker, the workers and their devices. The time of a shard is its
images x the pool's seconds per image x a log-normal factor. Jobs are inserted as rows without the checks of a
submission. Image rows, parts, evaluation and exports are left out: no statement of the dispatch reads them, and
`benchmarks.scale` and `benchmarks.pipeline` measure them. One process does all steps one after the other, so nothing
waits for a lock: the figures have the cost of a step, not what concurrent steps cost each other.

A seed decides all events, so two runs with the same options differ only in the measured times.
"""
