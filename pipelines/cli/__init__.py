"""The `tidemill` command: one thin file a verb."""
