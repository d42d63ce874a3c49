#!/bin/sh
# Stand-in for the configure script of aws-ofi-nccl, made by the amiforge sandbox: its options and what it looks for.
prefix=/usr/local libfabric=/usr cuda=/usr/local/cuda
for option do
    case $option in
        --prefix=*) prefix=${option#*=} ;;
        --with-libfabric=*) libfabric=${option#*=} ;;
        --with-cuda=*) cuda=${option#*=} ;;
        --enable-platform-aws|--disable-tests|--with-mpi=*|--with-hwloc=*) ;;
        *) echo "configure: WARNING: unrecognized options: $option" >&2 ;;
    esac
done
[ -e "$libfabric/bin/fi_info" ] ||
    { echo "configure: error: NCCL OFI Plugin could not find a working Libfabric install." >&2; exit 1; }
[ -e "$cuda/include/cuda_runtime.h" ] ||
    { echo "configure: error: NCCL OFI Plugin requires either CUDA, ROCm, or Neuron runtime." >&2; exit 1; }
sed "s|^prefix =.*|prefix = $prefix|" "$(dirname "$0")/Makefile.in" >Makefile
echo "* AWS OFI NCCL plugin has been configured (stand-in of the amiforge sandbox)."
