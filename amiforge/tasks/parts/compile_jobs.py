"""How many compilers run at once when something is built on the host."""

from __future__ import annotations

#: sh text that sets `jobs`: one for each processor, but no more than memory allows at 3 GiB each, which is what nvcc
#: takes for NCCL's larger files; a machine that swaps or kills compilers builds nothing.
JOBS = """
jobs=$(nproc)
room=$(awk '/^MemAvailable:/ { print int($2 / 3145728) }' /proc/meminfo)
[ "$room" -ge "$jobs" ] || jobs=$room
[ "$jobs" -ge 1 ] || jobs=1
"""
