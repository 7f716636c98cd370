"""`GET /metrics`: gauges that are read from the database when Prometheus asks.

May import `pools`, `samfleet` and the modules at the root of `samfleet_api`.
"""
