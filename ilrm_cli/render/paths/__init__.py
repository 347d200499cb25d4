"""Camera paths through a scene."""
