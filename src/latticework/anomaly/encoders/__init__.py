"""The trained encoders of M3DM, the files of their weights, and point feature alignment (section 3.2)."""
