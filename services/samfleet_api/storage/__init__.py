"""Routes of storage use: bytes, objects and rows of a tenant, of its jobs, and of all tenants for admins.

May import `jobs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
