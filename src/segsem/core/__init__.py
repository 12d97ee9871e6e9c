"""Shared vocabulary of all rooms: coordinates, contours, parameters, errors, progress, files."""
