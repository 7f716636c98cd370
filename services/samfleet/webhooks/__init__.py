"""Webhooks after Standard Webhooks 1.0.0: events, signatures, deliveries and their log.

May import `db`, `outbound` and below; `jobs` writes its events through `outbox`.
"""
