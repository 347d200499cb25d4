"""Formats of Gaussian scenes, one module each."""
