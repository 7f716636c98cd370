"""The Celery worker: from a message about a shard to its recorded images.

May import `samfleet`, and `samfleet_models.ops` for boxes.
"""
