"""The decoder: its configuration, its modules, its key-value cache, and its checkpoint on disk."""
