"""Photos to cameras: reading pose files, structure from motion, choosing and normalising views."""
