"""GS-LRM: full attention over the patches of all views."""
