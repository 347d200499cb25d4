"""ilrm: a folder of photos becomes a 3D Gaussian splat scene: a rough one in seconds, a good one in a minute."""

__version__ = "0.1.0"
