"""Builders of whole scenes."""
