"""The variants: records, conventions, tasks, executions and gates; their weights in `weights`.

May import `licences` and below.
"""
