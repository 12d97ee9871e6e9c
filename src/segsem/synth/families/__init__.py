"""Families of patterns, each a module with one function that draws polygons."""
