"""Objects made once at import; `create_app` joins them to an application."""

from flask_sqlalchemy import SQLAlchemy

from detection_api.canary.flask import Canary
from detection_api.db import Cache, Reader
from detection_api.models.base import Base

db = SQLAlchemy(metadata=Base.metadata, disable_autonaming=True)
canary = Canary()
cache = Cache()
reader = Reader()
"""Reads for clients: from the replica, where there is one."""
primary = Reader()
"""Reads that must see what was written a moment ago."""
