"""What leaves the program: layouts, point tables, region files, overlays."""
