"""The forty defects of the package that amiforge replaces, by their numbers: what it did wrong, this one does right.

Each test's name says what ours does; its comment, what theirs did.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

import amiforge
from amiforge import recipes
from amiforge.bake.clean import AREAS
from amiforge.bake.manifest import Manifest
from amiforge.bake.steps import STEPS
from amiforge.cli.app import run as amiforge_command
from amiforge.cli.config import load
from amiforge.ec2.builder import Builder
from amiforge.ec2.capacity import Candidate
from amiforge.ec2.image import image_name
from amiforge.ec2.launch import Order, request
from amiforge.ec2.network import Subnet
from amiforge.ec2.resolve import ResolvedImage, Volume
from amiforge.ec2.source_image import eks_image
from amiforge.ec2.tags import Tags
from amiforge.engine.plan import Item, lay_out
from amiforge.engine.resource import Resource
from amiforge.errors import CompatibilityError, RecipeError
from amiforge.recipes import compatibility
from amiforge.recipes.assumed import assumed
from amiforge.recipes.recipe import Recipe
from amiforge.resources import (
    Block,
    File,
    KernelModule,
    PackageHold,
    Packages,
    RebootIfNeeded,
    Repository,
    Service,
    SysctlFile,
    Updates,
    User,
    VendorInstall,
)
from amiforge.systems.system import System
from amiforge.tasks import registry
from amiforge.tasks.aws_lustre import AwsLustre, Mount
from amiforge.tasks.nvidia_driver import NvidiaDriver
from amiforge.tasks.packages import Packages as PackagesTask
from amiforge.tasks.task import Task
from tests.unit.recipes.words import KERNELS, words

ROOT = Path(amiforge.__file__).parents[1]
Kind = TypeVar("Kind", bound=Resource)


def on(name: str, os: str = "") -> Recipe:
    return recipes.find(name).on(os)


def system_of(recipe: Recipe) -> System:
    kernel = KERNELS[recipe.source.os]
    return replace(
        assumed(recipe.source), kernel=kernel, default_kernel=kernel, modules=frozenset({"tcp_bbr", "sch_fq"})
    )


@cache
def items(name: str, os: str = "") -> tuple[Item, ...]:
    return laid_out(on(name, os))


def laid_out(recipe: Recipe, task: str = "") -> tuple[Item, ...]:
    return tuple(each for each in lay_out(recipe.tasks, system_of(recipe)) if task in {"", each.task})


def sent_by(recipe: Recipe, task: str = "") -> str:
    """Give every word that a recipe, or one task of it, sends to a host."""
    system = system_of(recipe)
    return "\n".join(word for each in laid_out(recipe, task) for word in words(each.resource, system))


def found(kind: type[Kind], name: str, os: str = "", task: str = "") -> list[Kind]:
    return [each.resource for each in items(name, os) if isinstance(each.resource, kind) and task in {"", each.task}]


def text(name: str, os: str = "", task: str = "") -> str:
    return sent_by(on(name, os), task)


def order(recipe: Recipe) -> list[str]:
    return [task.name() for task in recipe.tasks]


def everything() -> Iterator[tuple[str, str]]:
    for name in recipes.names():
        yield from ((name, source.os) for source in recipes.find(name).sources if source.architecture == "x86_64")


EVERYTHING = list(everything())
OURS = [recipes.find(name) for name in recipes.names()]


def make(*targets: str, **variables: str) -> str:
    printed = subprocess.run(
        ["make", "-n", *targets], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    return printed.stdout


# --- Packer, Makefile, README -----------------------------------------------------------------------------------------


def test_b01_base_is_a_recipe_of_its_own_without_pyxis() -> None:
    # theirs ran ParallelCluster's playbook and built pyxis against a Slurm that was not there
    assert on("base").source.slurm == ""
    assert "pyxis-" not in text("base")
    assert "spank" not in text("base").lower()


def test_b02_source_images_are_looked_up_where_the_bake_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    # theirs looked in the environment's default region; tests/unit/ec2/test_resolve.py has the lookup itself
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert load(None).aws.region == "eu-west-1"


@pytest.mark.subprocesses
def test_b03_an_empty_region_is_never_passed_on() -> None:
    # theirs had a shell line in the Makefile that make ignores, and gave Packer an empty region
    assert make("ami_base", PATH="/usr/bin:/bin").splitlines()[-1].endswith("amiforge bake base")
    assert amiforge_command(["bake", "base", "--region", ""]) != 0


@pytest.mark.subprocesses
def test_b04_a_failed_bake_is_a_failed_make() -> None:
    # theirs piped into tee, whose status it took
    assert "tee" not in make("ami_eks_gpu", "ami", PATH="/usr/bin:/bin")
    assert amiforge_command(["bake", "no_such_recipe"]) != 0


def test_b05_every_image_target_is_phony_and_every_run_has_its_own_folder() -> None:
    # theirs logged several images into one file, and had targets for things that were not there
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^\.PHONY:.*\bami\b.*\$\(AMIS\)", makefile, re.MULTILINE)
    assert set(re.search(r"^RECIPES := (.*)$", makefile, re.MULTILINE)[1].split()) == set(recipes.names())  # type: ignore[index]


def test_b06_no_two_images_of_a_run_share_a_name() -> None:
    # theirs gave all ParallelCluster images one name
    template = "amiforge-{recipe}-{os}-{arch}-{run}"
    every = [
        image_name(template, recipe=recipe.name, os=source.os, arch=source.architecture, run="1")
        for recipe in OURS
        for source in recipe.sources
    ]
    assert len(set(every)) == len(every)
    assert load(None).bake.image_name == template


@pytest.mark.parametrize("recipe", OURS, ids=lambda recipe: recipe.name)
def test_b07_builders_have_no_accelerator_and_the_processor_of_their_image(recipe: Recipe) -> None:
    # theirs took a g4dn.16xlarge for everything
    for source in recipe.sources:
        types = recipe.on(source.os, source.architecture).builder.instance_types
        graviton = [bool(re.match(r"[a-z]+\d+g", each)) for each in types]
        assert not any(re.match(r"(g|p|inf|trn)\d", each) for each in types)
        assert set(graviton) == {source.architecture == "arm64"}


def test_b08_the_eks_image_is_the_one_with_gpus() -> None:
    # theirs matched the image without, of a Kubernetes that was past its end
    source = on("eks_gpu").source
    assert "/nvidia/" in source.parameter
    assert "nvidia" in source.name
    assert source == eks_image("1.34", "nvidia")


def test_b09_instances_and_volumes_are_safe_and_everything_is_tagged() -> None:
    # theirs: one source with tags, no encryption, no IMDSv2, no provenance
    tags = Tags("20261123-114854-k3x9", "2026-11-24T00:00:00Z", {"team": "ml"})
    place = Candidate("m6i.large", Subnet("subnet-a", "vpc", "a", "10.0.0.0/24"))
    image = ResolvedImage(
        ami="ami-1",
        name="source",
        owner="1",
        architecture="x86_64",
        root_device="/dev/xvda",
        volumes=(Volume(device="/dev/xvda", gib=20),),
        creation_date="",
    )
    asked = request(Order("builder", image, Builder(), "key", "sg-1", "data", tags), place, 0)
    tagged = {each["ResourceType"]: {tag["Key"] for tag in each["Tags"]} for each in asked["TagSpecifications"]}
    assert all(each["Ebs"]["Encrypted"] for each in asked["BlockDeviceMappings"])
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    assert (
        tagged["instance"] == tagged["volume"] == {"Name", "amiforge:run", "amiforge:role", "amiforge:expires", "team"}
    )
    assert {"source", "recipe", "options", "inventory"} <= set(Manifest.model_fields)


def test_b10_what_we_need_has_a_lowest_version_that_is_tested() -> None:
    # theirs pinned neither plugins nor Ansible
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["project"]["dependencies"]
    assert all(">=" in each for each in needed)
    assert "resolution lowest-direct" in (ROOT / "Makefile").read_text()


def test_b11_the_documentation_of_versions_is_made_from_the_code() -> None:
    # theirs named other versions and playbooks than there were
    generator = (ROOT / "docs/generate.py").read_text()
    assert "software" in generator
    pages = "\n".join(path.read_text() for path in (ROOT / "docs/how-to").glob("*.md"))
    assert not re.search(r"\b535\.\d+", pages + (ROOT / "README.md").read_text())


# --- playbooks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("os", "program"), [("al2023", "dnf"), ("amzn2", "yum"), ("ubuntu2404", "apt-get")])
def test_b12_each_system_has_its_own_package_manager_and_needs_no_python(os: str, program: str) -> None:
    # theirs called a module that is gone, with an interpreter that has no bindings
    sent = text("pcluster_cpu", os)
    assert re.search(rf"\b{program} ", sent)
    others = {"dnf", "yum", "apt-get"} - {program}
    assert not re.search(rf"^\s*({'|'.join(others)}) ", sent, re.MULTILINE)
    assert not re.search(r"\bpython3? -c\b", sent)


@pytest.mark.parametrize("name", ["pcluster_neuron", "dlami_neuron", "pcluster_cpu"])
def test_b13_images_without_gpus_have_nothing_of_nvidias_stack(name: str) -> None:
    # theirs turned GPUs on for Neuron, too
    recipe = on(name)
    assert not [each for each in order(recipe) if each.startswith("nvidia_") and each != "nvidia_enroot_pyxis"]
    assert not any(family.startswith(("p", "g")) for family in recipe.instances)
    assert recipe.name != on("pcluster_gpu").description


@pytest.mark.parametrize("os", ["al2023", "amzn2", "ubuntu2404"])
def test_b14_headers_are_those_of_the_kernel_that_runs_after_the_reboot(os: str) -> None:
    # theirs asked for the kernel's name before it rebooted into another
    kinds = [each.resource for each in items("base", os) if each.task == "packages"]
    reboot = next(index for index, each in enumerate(kinds) if isinstance(each, RebootIfNeeded))
    [headers] = [index for index, each in enumerate(kinds) if isinstance(each, Packages) and "headers" in each.name]
    system = system_of(on("base", os))
    build = system.os.kernel.packages(system.kernel).build
    assert reboot < headers
    assert kinds[headers] == Packages(build)


def test_b15_every_recipe_installs_in_the_order_that_vendors_do() -> None:
    # theirs had EFA before the driver, and GPUs on EKS without what they need
    ranks = {name: rank for rank, name in enumerate(registry.OURS)}
    for recipe in OURS:
        assert sorted(order(recipe), key=ranks.__getitem__) == order(recipe)
    assert order(on("eks_gpu")) == ["packages", "aws_cli", "nvidia_driver", "aws_efa", "aws_lustre"]


def test_b16_what_a_task_needs_before_it_is_checked() -> None:
    # theirs declared dependencies where Ansible does not look
    turned = on("base").without_task("nvidia_driver").with_task(NvidiaDriver())
    with pytest.raises(CompatibilityError, match="aws_efa"):
        compatibility.require(turned)


# --- roles ------------------------------------------------------------------------------------------------------------


def test_b17_congestion_control_exists_is_loaded_at_boot_and_stays() -> None:
    # theirs wrote brr, into /etc/sysctl.conf, and loaded no module
    [parameters] = found(SysctlFile, "base")
    values = dict(parameters.values)
    assert values["net.ipv4.tcp_congestion_control"] == "bbr"
    assert values["net.ipv4.tcp_wmem"] == "4096 65536 67108864"
    assert "net.ipv4.tcp_timestamps" not in values
    assert KernelModule("tcp_bbr", load_at_boot=True) in found(KernelModule, "base")
    assert "brr" not in text("base")


@pytest.mark.parametrize("os", ["al2023", "amzn2", "ubuntu2404"])
def test_b18_security_updates_are_installed(os: str) -> None:
    # theirs only checked, and named no package
    [updates] = found(Updates, "pcluster_cpu", os)
    assert updates.security
    system = system_of(on("pcluster_cpu", os))
    [change] = updates.changes(frozenset({"pending"}), system)
    assert "check" not in str(change.command)


def test_b19_one_update_then_one_reboot_if_needed_then_the_kernel_is_held() -> None:
    # theirs rebooted between two updates, always, and held nothing
    kinds = [type(each.resource) for each in items("base") if each.task == "packages"]
    assert kinds.count(Updates) == 1
    assert kinds.index(Updates) < kinds.index(RebootIfNeeded) < kinds.index(PackageHold)
    excluding = PackagesTask(update="all", exclude=("docker*",), kernel="keep")
    [updates] = [
        each.resource for each in lay_out([excluding], system_of(on("base"))) if isinstance(each.resource, Updates)
    ]
    assert set(updates.exclude) == {"docker*", "kernel*"}


@pytest.mark.parametrize("os", ["al2023", "ubuntu2404"])
def test_b20_the_aws_cli_is_checked_updated_and_leaves_no_settings(os: str) -> None:
    # theirs: no digest, one architecture, failed where a CLI was, throttled root's transfers
    [install] = found(VendorInstall, "base", os, "aws_cli")
    sent = text("base", os, "aws_cli")
    arm = recipes.find("base").on(os, "arm64")
    assert install.workspace
    assert "--update" in sent
    assert "max_concurrent_requests" not in sent
    system = system_of(on("base", os))
    assert all(each.proven(system.trust) for each in install.downloads(system) if each.kind == "file")
    fetched = [each.url for item in laid_out(arm, "aws_cli") for each in item.resource.downloads(system_of(arm))]
    assert any("aarch64" in url for url in fetched)


@pytest.mark.parametrize(("os", "user"), [("al2023", "ec2-user"), ("ubuntu2404", "ubuntu"), ("amzn2", "ec2-user")])
def test_b21_docker_is_for_each_systems_user_and_restarted_only_for_a_change(os: str, user: str) -> None:
    # theirs: Amazon Linux 2 only, one user, a restart each time
    assert user in {each.user for each in found(User, "base", os, "docker")}
    assert "docker.service" in {each.unit for each in found(Service, "base", os, "docker")}


def test_b22_efa_is_known_by_its_digest_unpacked_anew_and_skipped_when_there() -> None:
    # theirs: no digest, an old folder for a new version, run every time, before the driver
    [install] = found(VendorInstall, "base", task="aws_efa")
    other = laid_out(on("base").with_options("aws_efa", version="1.38.1"), "aws_efa")
    older = next(each.resource for each in other if isinstance(each.resource, VendorInstall))
    assert next(iter(install.downloads(system_of(on("base"))))).known
    assert older.version != install.version
    assert install.workspace
    assert order(on("base")).index("nvidia_driver") < order(on("base")).index("aws_efa")
    assert not re.search(r"efa_installer\.sh.* -g\b", text("base", task="aws_efa"))


def test_b23_the_nccl_plugin_is_the_one_that_comes_with_efa() -> None:
    # theirs cloned a tag and needed what was not there
    assert not found(VendorInstall, "base", task="aws_ofi_nccl")
    assert "git clone" not in text("base")
    assert "aws_ofi_nccl" not in order(on("pcluster_neuron"))


def test_b24_lustre_is_current_on_every_system_and_mounts_are_of_its_type() -> None:
    # theirs: a topic that was outdated, undefined variables, no file system type
    assert "lustre2.10" not in text("pcluster_cpu", "amzn2")
    mounting = AwsLustre(mounts=(Mount(dns_name="fs-1.fsx.us-east-1.amazonaws.com", mount_name="abcd"),))
    [block] = [each.resource for each in lay_out([mounting], system_of(on("base"))) if isinstance(each.resource, Block)]
    assert block.text == (
        "fs-1.fsx.us-east-1.amazonaws.com@tcp:/abcd /fsx lustre"
        " defaults,noatime,flock,_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=90 0 0\n"
    )


def test_b25_the_driver_is_built_by_dkms_for_the_kernel_that_boots_after_nouveau_is_gone() -> None:
    # theirs: no DKMS, nouveau too late, no digest, one architecture, run again each time, compiler by hand
    driver = [each.resource for each in items("base") if each.task == "nvidia_driver"]
    [nouveau] = [index for index, each in enumerate(driver) if isinstance(each, KernelModule) and each.blacklist]
    reboot = next(index for index, each in enumerate(driver) if isinstance(each, RebootIfNeeded))
    assert nouveau < reboot
    assert "dkms install" in text("base", task="nvidia_driver")
    run_file = on("base").with_options("nvidia_driver", method="run")
    sent = sent_by(run_file, "nvidia_driver")
    assert "--dkms" in sent
    assert "580.159.03" in sent


def test_b26_persistence_is_the_packaged_service_started_at_boot() -> None:
    # theirs was a unit that could not be enabled
    units = {each.unit: each for each in found(Service, "base", task="nvidia_driver")}
    assert units["nvidia-persistenced.service"].enabled
    [drop_in] = [each for each in found(File, "base") if "nvidia-persistenced.service.d" in each.path]
    assert "ExecStart=" not in (ROOT / "amiforge/files" / drop_in.source).read_text()


@pytest.mark.parametrize("os", ["al2023", "amzn2", "ubuntu2404"])
def test_b27_containers_get_gpus_by_the_toolkit(os: str) -> None:
    # theirs: nvidia-docker2, from a repository that is gone
    sent = text("base", os, "nvidia_container_toolkit")
    assert "nvidia-docker" not in sent
    assert "libnvidia-container" in sent


@pytest.mark.parametrize("os", ["al2023", "ubuntu2404"])
def test_b28_cudnn_belongs_to_the_toolkits_major_version_and_cuda_moves_no_driver(os: str) -> None:
    # theirs: cuDNN 8 for any CUDA, and a repository that could upgrade the driver
    packages = (
        item.resource.desired(system_of(on("base", os))) for item in items("base", os) if item.task == "nvidia_cuda"
    )
    names = {name for desired in packages for name in desired}
    assert "cuda-toolkit-13-0" in names
    assert any("cudnn" in name and name.endswith("cuda-13") for name in names)
    assert not names & {"cuda", "cuda-13-0", "cuda-drivers"}
    if os == "al2023":
        only = [pattern for each in found(Repository, "base", os, "nvidia_cuda") for pattern in each.only]
        assert only
        assert not [
            name for name in ("nvidia-driver", "kmod-nvidia-open-dkms", "dkms") for each in only if fnmatch(name, each)
        ]


def test_b29_gdrcopys_module_is_in_the_image_and_loaded_at_boot() -> None:
    # theirs cloned the newest state and loaded the module into the builder only
    assert "insmod" not in text("base", task="nvidia_gdrcopy")
    assert [each.unit for each in found(Service, "base", task="nvidia_gdrcopy") if each.enabled]
    assert "dkms install -m gdrdrv" in text("base", task="nvidia_gdrcopy")
    assert "tags/v2.5.2" in text("base", task="nvidia_gdrcopy")


@pytest.mark.parametrize(("name", "os"), EVERYTHING)
def test_b30_no_file_is_written_by_two(name: str, os: str) -> None:
    # theirs wrote three blocks with one marker, and only the last stayed
    paths = [each.path for each in found(File, name, os) if each.present]
    blocks = [(each.path, each.label) for each in found(Block, name, os)]
    repeated = {path for path in paths if paths.count(path) > 1}
    assert all(len({each for each in found(File, name, os) if each.path == path}) == 1 for path in repeated)
    assert len(set(blocks)) == len(blocks)


@pytest.mark.parametrize(("name", "os"), EVERYTHING)
def test_b31_no_environment_is_forced_on_everybody(name: str, os: str) -> None:
    # theirs preloaded NCCL into every process and set what the plugin chooses itself
    assert not re.search(
        r"LD_PRELOAD|^\s*(export )?(FI_PROVIDER|NCCL_PROTO|RDMAV_FORK_SAFE)=", text(name, os), re.MULTILINE
    )


def test_b32_builds_are_bounded_pinned_and_for_the_gpus_of_today() -> None:
    # theirs: make -j without a limit, the newest state, no Blackwell
    source = on("base").with_options("nvidia_nccl", method="source")
    sent = sent_by(source, "nvidia_nccl")
    assert not re.search(r"make -j *($|[^\"0-9$])", sent, re.MULTILINE)
    assert "v2.30.7-1" in sent
    assert "v2.19.6" in sent
    assert {f"sm_{each}" for each in (75, 80, 86, 89, 90, 100, 120)} <= set(re.findall(r"sm_\d+", sent))


@pytest.mark.shell
@pytest.mark.parametrize(("name", "os"), EVERYTHING)
def test_b33_everything_that_is_sent_is_a_whole_program(name: str, os: str) -> None:
    # theirs went on after a failed line; ours joins what must succeed, and a result is read again (NotConverged)
    system = system_of(on(name, os))
    scripts = {
        change.command.script
        for each in items(name, os)
        for change in each.resource.changes(frozenset(each.resource.desired(system)), system)
    }
    for script in scripts:
        done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
        assert not done.stderr, script


def test_b34_enroots_version_is_the_options_and_nothing_comes_by_plain_http() -> None:
    # theirs wrote the version down twice and fetched from a host that is gone
    recipe = on("pcluster_cpu").with_options("nvidia_enroot_pyxis", enroot_version="4.1.2")
    system = system_of(recipe)
    urls = {each.url for item in lay_out(recipe.tasks, system) for each in item.resource.downloads(system)}
    assert any("enroot" in url and "4.1.2" in url for url in urls)
    assert not any("enroot" in url and "4.2.1" in url for url in urls)
    assert not any(url.startswith("http://") for url in urls)
    assert "slurm-devel" not in text("pcluster_cpu")


def test_b35_slurms_own_configuration_is_added_to() -> None:
    # theirs overwrote plugstack.conf, included every file, and made a Slurm folder where there was none
    assert not [each for each in found(File, "pcluster_cpu") if each.path.endswith("plugstack.conf")]
    assert "plugstack.conf.d/*'" not in text("pcluster_cpu").replace("include:plugstack.conf.d/'*'", "")
    assert "%s/*.conf" in text("pcluster_cpu", task="nvidia_enroot_pyxis")
    assert [each for each in found(File, "pcluster_cpu") if each.path.startswith("/etc/tmpfiles.d/")]


def test_b36_neuron_is_signed_pinned_and_built_for_the_kernel_that_boots() -> None:
    # theirs: no signatures, a driver for the kernel before the reboot, floating versions
    [repository] = found(Repository, "pcluster_neuron", "al2023", "neuron_driver")
    assert repository.key_fingerprint
    [install] = found(VendorInstall, "pcluster_neuron", "al2023", "neuron_driver")
    assert re.fullmatch(r"\S+[= ]\d+(\.\d+)+.*", install.version)
    names = order(on("pcluster_neuron"))
    assert names.index("packages") < names.index("neuron_driver")


def test_b37_pytorchs_environment_is_usable_pinned_and_no_ones_home() -> None:
    # theirs: root's files in a user's home, no versions, an ended package
    sent = text("pcluster_neuron", task="pytorch_neuron")
    assert "/home/" not in sent
    assert "torch-neuronx==2.9.0.2.15.32035" in sent
    assert "nemo" not in sent
    with pytest.raises(RecipeError, match="pytorch_neuron does not exist for al2023"):
        lay_out([on("pcluster_neuron").task("pytorch_neuron")], system_of(on("pcluster_cpu", "al2023")))


def test_b38_observability_is_a_service_of_the_instance() -> None:
    # theirs started a container on the builder
    assert "docker run" not in "\n".join(change_words("base"))
    assert "nvidia-dcgm.service" in {each.unit for each in found(Service, "base", task="nvidia_dcgm")}


def change_words(name: str) -> Iterator[str]:
    system = system_of(on(name))
    for each in items(name):
        if not isinstance(each.resource, File):
            for change in each.resource.changes(frozenset(each.resource.desired(system)), system):
                yield change.command.script


def test_b39_identity_is_wiped_before_the_image_is_made() -> None:
    # theirs left the builder's key in the image; tests/unit/bake/test_clean.py has the wiping itself
    titles = [step.title for step in STEPS]
    wiped = "\n".join(area.text for area in AREAS)
    assert (
        titles.index("clean")
        < titles.index("stop builder")
        < titles.index("create image")
        < titles.index("verify image")
    )
    assert all(each in wiped for each in ("authorized_keys", "ssh_host_", "machine-id", "cloud", "log"))


@pytest.mark.parametrize("name", registry.OURS)
def test_b40_every_task_is_for_several_systems_and_proves_itself(name: str) -> None:
    # theirs: Amazon Linux 2 on x86_64, without a test
    kind = registry.find(name)
    assert len({os for os, _ in kind.platforms}) > 1
    assert kind.checks is not Task.checks
    assert "aarch64" in {arch for _, arch in kind.platforms} or "neuron" in name


def test_all_forty_are_here() -> None:
    numbers = {name[5:8] for name in globals() if re.match(r"test_b\d\d_", name)}
    assert numbers == {f"b{number:02}" for number in range(1, 41)}
