"""Procedural patterns, textures and materials."""
