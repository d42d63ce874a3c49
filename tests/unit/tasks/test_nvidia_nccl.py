"""NCCL: packages or source, for which GPUs, with which variables, and that nobody's environment is touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.engine.resource import Resource
from amiforge.errors import RecipeError
from amiforge.resources import File, Packages, Repository, VendorInstall
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.nvidia_nccl import NvidiaNccl
from amiforge.tasks.parts.compile_jobs import JOBS


def resources(name: str, **options: object) -> list[Resource]:
    there = System(os=by_name(name))
    return [item.resource for item in lay_out([NvidiaNccl.model_validate(options)], there)]


def installs(name: str, **options: object) -> dict[str, VendorInstall]:
    return {each.product: each for each in resources(name, **options) if isinstance(each, VendorInstall)}


def versions(name: str, **options: object) -> dict[str, object]:
    there = System(os=by_name(name))
    found = [each for each in resources(name, **options) if isinstance(each, Packages)]
    return {package: version for each in found for package, version in each.desired(there).items() if "nccl" in package}


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("al2023", {}, {"libnccl": "2.30.7-1+cuda13.3", "libnccl-devel": "2.30.7-1+cuda13.3"}),
        ("ubuntu2404", {}, {"libnccl2": "2.30.7-1+cuda13.3", "libnccl-dev": "2.30.7-1+cuda13.3"}),
        ("ubuntu2204", {"cuda": "12.9"}, {"libnccl2": "2.30.7-1+cuda12.9", "libnccl-dev": "2.30.7-1+cuda12.9"}),
        (
            "ubuntu2404",
            {"version": "2.27.7-1", "built_with": "13.1"},
            {"libnccl2": "2.27.7-1+cuda13.1", "libnccl-dev": "2.27.7-1+cuda13.1"},
        ),
        ("amzn2", {"cuda": "12.4"}, {}),
        ("ubuntu2404", {"version": "2.27.7-1"}, {}),
        ("al2023", {"method": "source"}, {}),
    ],
)
def test_packages_have_nccl_s_and_cuda_s_version_where_both_are_known(
    name: str, options: dict[str, object], wanted: dict[str, str]
) -> None:
    assert versions(name, **options) == wanted
    assert ("NCCL" in installs(name, **options)) == (not wanted)


def test_nothing_but_nccl_comes_from_the_repository_of_rhel_9() -> None:
    [repository] = [each for each in resources("al2023") if isinstance(each, Repository)]
    assert repository.url == "https://developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64/"
    assert repository.only == ("libnccl", "libnccl-devel")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("amzn2", {"method": "packages"}, "NCCL has no packages for Amazon Linux 2"),
        ("al2023", {"method": "packages", "version": "2.27.7-1"}, "not known with which CUDA 13"),
        ("al2023", {"instances": ("p3",)}, "CUDA 13.0 makes no code for p3"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_runs(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        resources(name, **options)


def test_another_gpu_is_another_build() -> None:
    one, two = (
        installs("ubuntu2404", method="source", instances=instances)["NCCL"] for instances in (("p5",), ("p5", "g6"))
    )
    assert one.version == "2.30.7-1 with CUDA 13.0 for sm_90"
    assert two.version == "2.30.7-1 with CUDA 13.0 for sm_89 sm_90"


def test_both_builds_are_told_cuda_and_gpus() -> None:
    found = installs("amzn2", cuda="12.4", instances=("p4d",))
    code = "-gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_80,code=compute_80"
    assert found["NCCL"].install.args[1:4] == ("/usr/local/cuda-12.4", code, "/opt/nccl")
    assert found["nccl-tests"].install.args[1:5] == ("/usr/local/cuda-12.4", code, "/opt/nccl", "/opt/amazon/openmpi")


def test_tests_are_built_against_the_packages_where_there_are_some() -> None:
    assert installs("al2023")["nccl-tests"].install.args[3] == "/usr"


@pytest.mark.parametrize("name", ["al2023", "amzn2", "ubuntu2404"])
def test_no_environment_variable_is_set_for_everybody(name: str) -> None:
    files = [each for each in resources(name, cuda="12.4", version="2.30.7-1") if isinstance(each, File)]
    assert not [each.path for each in files if "profile" in each.path or "environment" in each.path]
    assert not [each.path for each in files if each.path == "/etc/nccl.conf"]


def test_site_defaults_are_one_file_when_there_are_some() -> None:
    settings = ("NCCL_SOCKET_IFNAME=^docker,lo", "NCCL_DEBUG=WARN")
    [conf] = [each for each in resources("al2023", settings=settings) if each.name == "file /etc/nccl.conf"]
    assert conf == File("/etc/nccl.conf", "NCCL_SOCKET_IFNAME=^docker,lo\nNCCL_DEBUG=WARN\n")


@pytest.mark.parametrize(
    "options",
    [{"settings": ("LD_PRELOAD=/x",)}, {"settings": ("NCCL_X=a\nb",)}, {"version": "2.30.7"}, {"cuda": "13.0.2"}],
)
def test_malformed_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NvidiaNccl.model_validate(options)


@pytest.mark.shell
@pytest.mark.parametrize(
    ("processors", "kilobytes", "jobs"),
    [(16, 64 << 20, 16), (96, 32 << 20, 10), (2, 1 << 20, 1), (4, 2 << 30, 4)],
)
def test_compilers_are_as_many_as_processors_and_memory_allow(
    processors: int, kilobytes: int, jobs: int, tmp_path: Path
) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {kilobytes} kB\n")
    text = JOBS.replace("/proc/meminfo", str(tmp_path / "meminfo")).replace("$(nproc)", str(processors))
    done = subprocess.run(["sh", "-euc", f'{text}\necho "$jobs"'], capture_output=True, check=True)
    assert int(done.stdout) == jobs


@pytest.mark.shell
@pytest.mark.parametrize("mpi", [True, False])
def test_tests_are_built_with_mpi_where_it_is_and_again_when_it_comes(mpi: bool, tmp_path: Path) -> None:
    tree, prefix, home = tmp_path / "tree", tmp_path / "prefix", tmp_path / "openmpi"
    tree.mkdir()
    (tree / "make").write_text(
        '#!/bin/sh\necho "$@" >>said\nmkdir -p build\n: >build/all_reduce_perf\nchmod +x build/*\n'
    )
    (tree / "make").chmod(0o755)
    task = installs("al2023")["nccl-tests"]
    if mpi:
        header(home)

    def run(command: str, *args: str) -> subprocess.CompletedProcess[str]:
        path = f"{tree}:/usr/bin:/bin"
        return subprocess.run(
            ["sh", "-c", command, "sh", *args], env={"PATH": path}, capture_output=True, text=True, check=False
        )

    built = run(task.install.script, str(tree), "/cuda", "-gencode=x", "/nccl", str(home), str(prefix), "as wanted")
    said = (tree / "said").read_text()
    assert built.returncode == 0, built.stderr
    assert (f"MPI=1 MPI_HOME={home}" in said) is mpi
    assert "CUDA_HOME=/cuda NCCL_HOME=/nccl NVCC_GENCODE=-gencode=x" in said
    observe = task.observe
    assert not isinstance(observe, str)
    assert run(observe.script, str(prefix), str(home)).stdout.splitlines()[0] == "as wanted"
    header(home)
    again = run(observe.script, str(prefix), str(home))
    assert (again.returncode == 0) is mpi


def header(home: Path) -> None:
    (home / "include").mkdir(parents=True, exist_ok=True)
    (home / "include/mpi.h").touch()
