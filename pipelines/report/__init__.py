"""The home's story as one HTML page: what was gathered, what became of it, and how good it is."""
