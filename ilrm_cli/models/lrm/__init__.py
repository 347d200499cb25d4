"""LRM (Hong et al. 2024): from one photo of an object to a triplane field, as in TripoSR and OpenLRM."""
