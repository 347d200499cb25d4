"""Photos or video on disk to posed photos, and posed photos to views."""
