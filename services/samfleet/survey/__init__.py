"""Tables of the survey (arXiv 2410.04960) over this database's measurements, beside the published figures.

May import `reports` and below.
"""
