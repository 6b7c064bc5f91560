"""An operator may act as a viewer; a viewer may not act as an operator."""

import pytest

from detection_api.models.tokens import Role


@pytest.mark.parametrize(
    ("role", "other", "may"),
    [
        (Role.OPERATOR, Role.OPERATOR, True),
        (Role.OPERATOR, Role.VIEWER, True),
        (Role.VIEWER, Role.VIEWER, True),
        (Role.VIEWER, Role.OPERATOR, False),
    ],
)
def test_a_role_includes_the_permissions_of_lower_roles(role: Role, other: Role, may: bool) -> None:
    assert role.may_act_as(other) is may
