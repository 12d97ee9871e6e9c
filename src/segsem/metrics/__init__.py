"""Comparison with truth: overlap, boundary, signed edge placement error, topology."""
