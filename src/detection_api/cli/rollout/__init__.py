"""The commands `detection-api rollout` and `detection-api accepted`."""
