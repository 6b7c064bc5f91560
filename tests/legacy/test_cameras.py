"""A camera file that cannot be used fails the request: the canary has to hear of it."""

import pytest
import yaml

from detection_api.legacy import cameras
from tests.world import NOW, World


def test_a_missing_camera_file_is_an_error(world: World) -> None:
    with pytest.raises(FileNotFoundError):
        cameras.cameras(active_only=False)
    with pytest.raises(FileNotFoundError):
        cameras.camera_stats(camera_id="cam0", now=NOW)


@pytest.mark.parametrize(
    "content",
    ["", "cameras:", "cameras: {}", "- id: cam0", "cameras: [", "cameras: !!python/name:os.system"],
)
def test_a_file_that_is_no_camera_file_is_an_error(world: World, content: str) -> None:
    world.cameras_file.write_text(content)
    with pytest.raises(yaml.YAMLError):
        cameras.cameras(active_only=False)


def test_changes_of_the_camera_file_show_at_once(world: World) -> None:
    for name in ("before", "after"):
        world.cameras_file.write_text(f"cameras: [{{id: cam0, name: {name}}}]")
        assert cameras.cameras(active_only=False)["cameras"][0]["name"] == name
