"""ilrm: a folder of photos becomes a 3D Gaussian splat scene in seconds."""

__version__ = "0.1.0"
