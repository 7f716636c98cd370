"""Single images that a request waits for: messages between API and worker through Redis (ADR 50).

May import `jobs` and what it may import.
"""
