"""Films of a scene along a camera path."""
