"""Search: networks for a device, by its latency as measured."""
