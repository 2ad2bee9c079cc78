"""Memory banks of normal patches: scales, coresets, and the search for the nearest (PatchCore, Roth et al. 2022)."""
