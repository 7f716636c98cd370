"""The route of the audit trail, for admins.

May import `tenants`, `samfleet` and the modules at the root of `samfleet_api`.
"""
