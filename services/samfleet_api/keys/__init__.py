"""Routes of API keys: create, list, revoke.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
