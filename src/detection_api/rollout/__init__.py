"""The rollout as operators see and change it: states, events, differences."""
