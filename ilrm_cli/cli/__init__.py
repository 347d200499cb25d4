"""The command line. Importing it loads neither torch nor pycolmap; commands import what they need when they run."""
