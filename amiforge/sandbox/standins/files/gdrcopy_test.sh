#!/bin/sh
# Stand-in for a test of GDRCopy, made by the amiforge sandbox: no GPU here.
echo "cuInit: no CUDA-capable device is detected" >&2
exit 1
