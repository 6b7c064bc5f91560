"""What is made once at import and joined to an application by `create_app`."""

from pathlib import Path

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from detection_api.canary.flask import Canary
from detection_api.db import Cache, Reader
from detection_api.models.base import Base

_MIGRATIONS = Path(__file__).parents[2] / "migrations"
"""Where they are in a checkout; elsewhere they are looked for in the folder of the command."""

db = SQLAlchemy(metadata=Base.metadata, disable_autonaming=True)
migrate = Migrate(directory=str(_MIGRATIONS) if _MIGRATIONS.is_dir() else "migrations")
canary = Canary()
cache = Cache()
reader = Reader()
"""Reads for clients: from the replica, where there is one."""
primary = Reader()
"""Reads that must see what was written a moment ago."""
