"""Reproduction of a scene from its record, and comparison with the original."""
