"""Several modalities and memory banks as one: M3DM (Wang et al. 2023), sections 3.3 and 3.4."""
