"""What a patch looks like, computed without trained weights: colours, texture, the shape of the surface, its place."""
