"""The rollout: states and their changes, runs in stages, verification, retirement, reports.

`run` and `changes` are the nouns. `gates` judge a stage, `controller` moves endpoints.
"""
