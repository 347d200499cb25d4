"""Structure from motion with pycolmap."""
