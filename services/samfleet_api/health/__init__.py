"""`/healthz` and `/readyz`: checks of the database, the broker, the store and the pools.

May import `pools`, `samfleet` and the modules at the root of `samfleet_api`.
"""
