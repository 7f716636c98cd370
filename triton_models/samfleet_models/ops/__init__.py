"""Operations on arrays: non-maximum suppression, removal of small regions, oneDNN.

May import `device`. `ops.nms` needs only numpy, so the worker can use it.
"""
