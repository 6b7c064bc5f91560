"""`flask rollout`: the commands in an application that has nothing to do with detections."""

from importlib.metadata import entry_points

import click
import pytest
from click.testing import Result
from flask import Flask

from detection_api.cli.rollout.flask_group import rollout
from detection_api.cli.rollout.group import rollout as own_group
from tests.operations.conftest import empty, shop

__all__ = ["empty", "shop"]


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(rollout, arguments)


def commands(group: click.Group) -> list[click.Command]:
    groups = [each for each in group.commands.values() if isinstance(each, click.Group)]
    return [*group.commands.values(), *(each for sub in groups for each in sub.commands.values())]


def test_flask_finds_the_group() -> None:
    (plugin,) = entry_points(group="flask.commands", name="rollout")
    assert plugin.load() is rollout


def test_the_group_has_every_command_of_the_rollout() -> None:
    added = {"accepted", "init-db", "tokens"}
    assert rollout.commands.keys() == own_group.commands.keys() | added


@pytest.mark.parametrize("command", commands(rollout), ids=lambda command: command.name)
def test_help_names_commands_as_they_are_called(command: click.Command) -> None:
    assert command.help
    assert "detection-api" not in command.help


def test_the_commands_of_detection_api_keep_their_names() -> None:
    assert "detection-api rollout status" in (own_group.commands["status"].help or "")


def test_a_command_without_tables_names_the_one_that_creates_them(shop: Flask) -> None:
    result = run(shop, "status")
    assert result.exit_code == 1
    assert "the canary's tables are missing: `flask rollout init-db` creates them" in result.output


def test_tables_are_created_and_the_percentage_set_and_rolled_back(shop: Flask) -> None:
    assert "exist" in run(shop, "init-db").output
    assert run(shop, "set", "10", "--endpoint", "price").output == "price: 10%, active, epoch 1\n"
    assert (
        "price: 10%, rolled_back"
        in run(shop, "rollback", "--endpoint", "price", "--reason", "r").output
    )


def test_an_error_names_commands_as_they_are_called(shop: Flask) -> None:
    run(shop, "init-db")
    assert "see `flask rollout events`" in run(shop, "report").output


def test_an_unknown_endpoint_is_an_error_of_usage(shop: Flask) -> None:
    result = run(shop, "set", "10", "--endpoint", "none")
    assert result.exit_code == 2
    assert "price" in result.output


def test_an_application_without_a_rollout_says_what_it_needs() -> None:
    result = run(Flask("plain"), "status")
    assert result.exit_code == 1
    assert "this application has no rollout: call operations.init_app" in result.output
