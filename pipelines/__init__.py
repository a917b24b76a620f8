"""What runs, and when: the spec, the Dagster definitions, and the `tidemill` command."""
