"""Measurements on contours: CD and EPE gauges, roughness, offset calibration, repeats."""
