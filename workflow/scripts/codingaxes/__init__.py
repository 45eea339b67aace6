"""codingaxes: from the Natural Scenes Dataset to the coding axes of network-based brain models."""
