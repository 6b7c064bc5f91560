"""One renderer for each format of the report."""
