"""Reviews of a run's masks: what people decided about each one. The results of the run never change.

May import `jobs` and below.
"""
