"""Plan `eks_gpu` with another driver and a task of our own."""

from collections.abc import Iterator

from amiforge import Task, outline
from amiforge.recipes import eks_gpu
from amiforge.resources import File
from amiforge.systems.system import System


class Motd(Task):
    """What people see when they log in."""

    text: str = "Baked by amiforge"

    def resources(self, system: System) -> Iterator[File]:
        yield File("/etc/motd", f"{self.text} on {system.os.name}\n")


recipe = eks_gpu.with_options("nvidia_driver", version="595.91.07").with_task(Motd(text="Hello"))
for planned in outline(recipe).items:
    print(f"{planned.item.task:<15} {planned.item.resource.name}")
