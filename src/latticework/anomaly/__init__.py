"""Find defects on parts scanned in colour and 3D: Multi-3D-Memory, M3DM (Wang et al. 2023)."""
