"""Routes of API keys: create, list, revoke.

May import `tenants`, `samfleet` and the modules at the root of `samfleet_api`.
"""
