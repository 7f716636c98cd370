"""Number types, compilation, and the gate that admits an execution other than plain fp32.

May import `modeling`, `images` and below.
"""
