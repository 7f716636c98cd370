"""One file per command, with its options and its output.

May import every other folder. Heavy imports happen only when a command runs.
"""
