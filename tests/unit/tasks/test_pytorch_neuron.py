"""PyTorch for Neuron: whose the environment is, where its packages come from, and when it counts as whole."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import Directory, VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.pytorch_neuron import PytorchNeuron

NOBLE = System(os=by_name("ubuntu2404"))
VENV = "/opt/aws_neuronx_venv_pytorch_2_9"
LAST = PytorchNeuron(torch_neuronx="2.1.2.2.2.0", neuronx_cc="2.14.227.0")


def install(task: PytorchNeuron, system: System = NOBLE) -> VendorInstall:
    [found] = [item.resource for item in lay_out([task], system) if isinstance(item.resource, VendorInstall)]
    return found


@pytest.mark.parametrize(("task", "venv"), [(PytorchNeuron(), VENV), (LAST, "/opt/aws_neuronx_venv_pytorch_2_1")])
def test_the_environment_is_named_as_on_aws_s_own_images(task: PytorchNeuron, venv: str) -> None:
    assert task.venv == venv


@pytest.mark.parametrize("name", ["al2023", "ubuntu2204"])
def test_systems_without_a_python_for_it_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="pytorch_neuron does not exist"):
        lay_out([PytorchNeuron()], System(os=by_name(name)))


def test_it_belongs_to_the_login_user() -> None:
    for system, user in ((NOBLE, "ubuntu"), (replace(NOBLE, user="admin"), "admin")):
        [folder] = [
            item.resource for item in lay_out([PytorchNeuron()], system) if isinstance(item.resource, Directory)
        ]
        assert (folder.path, folder.owner, folder.mode) == (VENV, user, "0755")
        assert f"{user}:" in install(PytorchNeuron(), system).install.args


def test_packages_come_over_the_mirror_at_exact_versions() -> None:
    args = install(PytorchNeuron(), replace(NOBLE, mirror="http://127.2.0.1:8080")).install.args
    assert args[3:] == (
        "index-url",
        "http://127.2.0.1:8080/pip.repos.neuron.amazonaws.com",
        "neuronx-cc==2.27.5334.0",
        "torch-neuronx==2.9.0.2.15.32035",
    )


def test_amazon_linux_2_makes_it_with_python_3_8() -> None:
    found = [item.resource.name for item in lay_out([LAST], System(os=by_name("amzn2")))]
    assert found[:2] == ["run enable the topic python3.8", "packages python38, gcc-c++"]


PYTHON = r"""#!/bin/sh
for venv do :; done
mkdir -p "$venv/bin" "$venv/lib/python3.12/site-packages" || exit
cat >"$venv/bin/pip" <<'END'
#!/bin/sh
packages=${0%/bin/pip}/lib/python3.12/site-packages
case "$*" in
*freeze*) echo neuronx-cc==2.27.5334.0; echo torch-neuronx==2.9.0.2.15.32035 ;;
*) mkdir "$packages/neuronx_cc-2.27.5334.0.dist-info" "$packages/torch_neuronx-2.9.0.2.15.32035.dist-info" ;;
esac
END
chmod 755 "$venv/bin/pip"
"""


@pytest.mark.shell
def test_an_environment_counts_when_it_is_whole(tmp_path: Path) -> None:
    task, venv = PytorchNeuron(), tmp_path / "venv"
    (tmp_path / "python3.12").write_text(PYTHON)
    (tmp_path / "python3.12").chmod(0o755)
    wanted = install(task, replace(NOBLE, user=getpass.getuser()))

    def run(command: Command | str) -> str:
        assert isinstance(command, Command)
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        text = command.text().replace(task.venv, str(venv))
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=path)
        return done.stdout.strip() if done.returncode == 0 else ""

    assert run(wanted.observe) == ""
    run(wanted.install)
    assert run(wanted.observe) == wanted.version
    (venv / "lib/python3.12/site-packages/torch_neuronx-2.9.0.2.15.32035.dist-info").rmdir()
    assert run(wanted.observe) == ""
    run(wanted.install)
    (venv / "amiforge-freeze.txt").unlink()
    assert run(wanted.observe) == ""
