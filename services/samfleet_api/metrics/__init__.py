"""`GET /metrics`: gauges that are read from the database when Prometheus asks.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
