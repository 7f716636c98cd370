"""Time and memory of datasets and jobs of a million images, without models.

    python -m benchmarks.scale --images 1000000 --out docs/benchmarks/scale-<machine>.json
    python -m benchmarks.scale --images 1000000 --masks 1000 --manifest parquet --kill

Starts the embedded PostgreSQL, Redis, API, control worker and beat, without Triton and without workers. It makes a
folder of tiny images, creates a dataset and a job of it over HTTP, records masks through the worker's own functions,
downloads them, and times the requests of a job's page. `--manifest` makes the dataset of a manifest of the images, and
`--kill` kills the control worker while it lists. `--rows` times the requests on that many results, written by SQL.
"""
