"""What a host knows of kernel modules: loaded, blacklisted, packed into an initramfs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from amiforge.engine.query import Answer, Query, QueryKind
from amiforge.errors import RecipeError
from amiforge.systems.kernel import Initramfs

_MODULES = r"""
for module do [ ! -d "/sys/module/$module" ] || printf 'loaded %s\n' "$module"; done
cat -- /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf 2>/dev/null |
while read -r word module _; do [ "$word" != blacklist ] || printf 'blacklisted %s\n' "$module"; done
"""

# Asked for `module kernel`. An initramfs with the module does no harm once it also has the file that blacklists it.
_INITRAMFS = r"""
for item do
  module=${item%% *}
  case $(contents "${item#* }") in
    *"etc/modprobe.d/amiforge-$module.conf"*) ;;
    *"/$module.ko"*|*"/$(printf %s "$module" | tr _ -).ko"*) printf '%s\n' "$item";;
  esac
done
"""


@dataclass(frozen=True, slots=True)
class ModuleState:
    """What the running kernel and modprobe's configuration say of a module."""

    loaded: bool
    blacklisted: bool


def _parse_modules(answer: Answer, modules: Sequence[str]) -> Mapping[str, ModuleState]:
    rows = {line.replace("-", "_") for line in answer.text.splitlines()}
    return {
        module: ModuleState(loaded=f"loaded {module}" in rows, blacklisted=f"blacklisted {module}" in rows)
        for module in modules
    }


def _parse_images(answer: Answer, items: Sequence[str]) -> Mapping[str, bool]:
    rows = set(answer.text.splitlines())
    return {item: item in rows for item in items}


MODULES = QueryKind("kernel modules", _MODULES, _parse_modules)


def look_at_module(module: str) -> Query[ModuleState]:
    """Give the question whether a module is loaded and blacklisted."""
    return Query(MODULES, module)


def in_initramfs(module: str, kernel: str, initramfs: Initramfs) -> Query[bool]:
    """Give the question whether a kernel's initramfs holds a module, and not the file of ours that blacklists it."""
    contents = f"contents() {{\n{initramfs.contents}\n}}\n"
    return Query(QueryKind("initramfs", contents + _INITRAMFS, _parse_images, slow=True), f"{module} {kernel}")


def _module(module: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", module):
        raise RecipeError(f"{module!r} is no name of a kernel module", fix="write it as lsmod does")
    return module.replace("-", "_")


ModuleName = Annotated[str, AfterValidator(_module)]
