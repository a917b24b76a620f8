"""Clean text: characters repaired, boilerplate lines removed, personal data masked."""
