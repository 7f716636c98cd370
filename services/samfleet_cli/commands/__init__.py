"""A file for each verb, with its options and its output.

May import every other folder; imports what is heavy when a command runs.
"""
