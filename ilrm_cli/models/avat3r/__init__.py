"""Avat3r: heads that are animated by expression codes, from four photos and their position maps."""
