"""Layout polygons from GDS, OASIS, GLP and SVG."""
