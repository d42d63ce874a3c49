"""The builder's instance profile: that it is there and has a role."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.refusal import code
from amiforge.errors import AwsRefused

_TITLE = "instance profile"
_WHERE = "builder.profile"


def look(services: Services, name: str) -> tuple[str, ...] | Unasked | None:
    """Give the ARNs of its roles; None if there is no such profile."""

    def describe() -> tuple[str, ...] | None:
        try:
            found = services.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        except AwsRefused as error:
            if code(error) in {"NoSuchEntity", "NoSuchEntityException"}:
                return None
            raise
        return tuple(role["Arn"] for role in found["Roles"])

    return ask(describe)


def judge(name: str, roles: tuple[str, ...] | None) -> Iterator[Finding]:
    """Say whether the profile can be given to an instance."""
    if roles is None:
        fix = "make it (`aws iam create-instance-profile`), or give the name of one; a role's name is none"
        yield problem(_TITLE, f"there is no instance profile {name}", fix, _WHERE)
    elif not roles:
        fix = f"`aws iam add-role-to-instance-profile --instance-profile-name {name} --role-name ROLE`"
        yield problem(_TITLE, f"{name} has no role", fix, _WHERE)
    else:
        yield fact(_TITLE, f"{name} with {', '.join(roles)}", _WHERE)
