#!/bin/sh
# Stand-in for a hook of enroot, made by the amiforge sandbox.
