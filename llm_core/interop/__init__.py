"""Other projects' formats, both ways."""
