"""Groups that import a command when it is called: no command waits for the imports of others."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands are named as `module:variable`.

    It is the pattern of click's documentation: https://click.palletsprojects.com/complex/
    """

    def __init__(self, *args: Any, places: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._places = places

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted(self._places)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; return None if there is none of this name."""
        if cmd_name not in self._places:
            return None
        module, variable = self._places[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), variable)
        return command
