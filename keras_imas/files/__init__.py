"""Files that are written whole, locked, and read back as they were."""
