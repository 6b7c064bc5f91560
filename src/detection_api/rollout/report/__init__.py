"""What a rollout run has shown, from the ledger and the events alone.

`reading.py` reads, `assembly.py` puts a document together, and one renderer a format shows it.
"""
