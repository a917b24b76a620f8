"""Other projects' formats."""
