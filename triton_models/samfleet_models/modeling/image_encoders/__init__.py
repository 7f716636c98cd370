"""Image encoders: for each the published modules and the fused form that runs.

May import `ops` and `device`.
"""
