"""Contours: tracing, sub-pixel edge placement, edge evidence."""
