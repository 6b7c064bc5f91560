"""What goes in and out over HTTP, as marshmallow schemas; one file per domain."""
