"""What the package costs on this machine: `keras-imas benchmark`."""
