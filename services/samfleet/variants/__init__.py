"""The variants: records, conventions, tasks, executions, gates; their weights in `weights`.

May import `licences` and below.
"""
