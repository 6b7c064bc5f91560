"""`detection-api rollout` and what belongs to it; `common` has what these commands share."""
