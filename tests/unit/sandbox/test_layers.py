from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import CommandFailed
from amiforge.sandbox.layers import freeze, overlay_options


def test_options_keep_the_order_of_layers_and_are_relative() -> None:
    folder = Path("/var/sandbox")
    options = overlay_options(
        [folder / "images/top/layer", Path("/var/cache/root")], folder / "m/upper", folder / "m/work", folder
    )
    assert options.startswith("lowerdir=images/top/layer:../cache/root,upperdir=m/upper,workdir=m/work,")


def test_options_of_sixty_four_images_fit_the_page_the_kernel_takes() -> None:
    folder = Path("/a/rather/long/folder/that/somebody/chose/for/the/sandbox")
    layers = [folder / f"images/ami-{n:017x}/layer" for n in range(64)]
    machine = folder / "machines/i-0123456789abcdef0"
    assert len(overlay_options(layers, machine / "upper", machine / "work", folder)) < 4096


@pytest.mark.subprocesses
def test_freeze_is_complete_or_not_at_all(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "one").write_text("x")
    (upper / "two").hardlink_to(upper / "one")
    freeze(upper, tmp_path / "image" / "layer")
    frozen = tmp_path / "image" / "layer"
    assert (frozen / "one").samefile(frozen / "two")
    assert (frozen / "one").stat().st_ino != (upper / "one").stat().st_ino
    with pytest.raises(CommandFailed, match="cannot freeze"):
        freeze(tmp_path / "none", tmp_path / "other" / "layer")
    assert not list((tmp_path / "other").iterdir())
