"""Does an image carry the effect of an exposure on an outcome? Mediation with unobserved confounders: BASMU (Xu et al. 2024)."""
