"""Acme's plain node."""

from acme_amiforge.acme_baseline import AcmeBaseline
from amiforge import Recipe
from amiforge.ec2.source_image import al2023_image
from amiforge.tasks.packages import Packages

acme_node = Recipe(
    name="acme_node",
    description="Amazon Linux 2023 as Acme wants it",
    source=al2023_image(),
    tasks=(Packages(update="security"), AcmeBaseline(idle_minutes=15)),
)
