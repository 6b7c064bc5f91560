"""The sections of the report. Each function makes one from the record of a run; pure."""
