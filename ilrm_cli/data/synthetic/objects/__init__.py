"""Builders of objects, from furniture to buildings."""
