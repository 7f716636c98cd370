"""Routes of webhooks: endpoints of the tenant, their deliveries and replays.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
