"""Does an image carry the effect of an exposure on an outcome? With unobserved confounders: BASMU (Xu et al. 2024)."""
