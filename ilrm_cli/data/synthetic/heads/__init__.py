"""Morphable heads: one closed surface, many persons, and expressions as sums of blendshapes."""
