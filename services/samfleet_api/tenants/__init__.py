"""Routes of tenants, for admins.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
