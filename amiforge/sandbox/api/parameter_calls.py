"""SSM's operations, with parameters that are kept and values that are checked to be images."""

from __future__ import annotations

from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ssm.exceptions import ValidationException
from moto.ssm.responses import SimpleSystemManagerResponse

from amiforge.sandbox.api.parameters import IMAGE, SandboxParameters


class ParameterCalls(SimpleSystemManagerResponse):
    """SSM."""

    @property
    def _parameters(self) -> SandboxParameters:
        return cast("SandboxParameters", self.ssm_backend)

    def put_parameter(self) -> ActionResult:
        """Make a parameter or a version of one; a value that is to be an image is checked after the answer."""
        name = self._get_param("Name")
        before = self._parameters.current(name)
        kind = self._get_param("DataType") or (before.data_type if before else "text")
        if before and IMAGE in {kind, before.data_type} and kind != before.data_type:
            raise ValidationException(f"The data type of a parameter cannot be changed to or from {IMAGE}.")
        result = super().put_parameter()
        made = self._parameters.current(name)
        if made and made is not before:
            made.data_type = kind
        if kind == IMAGE:
            self._parameters.check(name)
        return result

    def call_action(self) -> Any:
        """Carry a call out, and write down what it changed."""
        answer = super().call_action()
        self._parameters.save()
        return answer
