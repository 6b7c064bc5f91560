"""The sections of the report, from the record of a run; pure."""
