"""Datasets of a manifest: a file with one image per line, listed by a task."""
