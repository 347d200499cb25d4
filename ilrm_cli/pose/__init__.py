"""Cameras of photos: reading pose files, structure from motion, choosing and normalising views."""
