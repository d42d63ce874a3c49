"""One sandbox for all tests of this folder that talk to its API."""

from __future__ import annotations

import fcntl
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.lifecycle import session
from amiforge.sandbox.requirements import missing_requirements
from tests.sandbox.cloud import Cloud, suite_folder


@pytest.fixture(scope="module")
def own_folder(request: pytest.FixtureRequest) -> Iterator[Folder]:
    """Give the folder of the module's sandbox, to one module at a time, also when tests run in parallel."""
    folder = suite_folder(getattr(request.module, "SANDBOX", "tests"))
    if missing := missing_requirements(folder):
        pytest.skip(f"sandbox layer: {', '.join(missing)}")
    with (folder.path / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="module")
def endpoint(own_folder: Folder) -> Iterator[Endpoint]:
    """Give a running sandbox."""
    with session(own_folder) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def cloud(endpoint: Endpoint, key: Path) -> Iterator[Cloud]:
    """Give the sandbox with a key pair of the test's own; what the test made is removed at its end."""
    cloud = Cloud(endpoint, key, f"test-{uuid.uuid4().hex[:8]}")
    ec2 = cloud.client()
    ec2.import_key_pair(KeyName=cloud.key_name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    images = {image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]}
    yield cloud
    mine = [{"Name": "key-name", "Values": [cloud.key_name]}]
    found = [one for each in ec2.describe_instances(Filters=mine)["Reservations"] for one in each["Instances"]]
    if found:
        ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in found])
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        if image["ImageId"] not in images:
            ec2.deregister_image(ImageId=image["ImageId"], DeleteAssociatedSnapshots=True)
    ec2.delete_key_pair(KeyName=cloud.key_name)
