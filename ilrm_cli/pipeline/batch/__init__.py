"""Batch reconstruction: many photo folders become scenes, with planning, several worker processes and a summary."""
