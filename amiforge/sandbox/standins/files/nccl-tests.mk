# Stand-in for the Makefile of nccl-tests, made by the amiforge sandbox: its variables, what it looks for and makes.
CUDA_HOME ?= /usr/local/cuda
MPI ?= 0
programs := $(addprefix build/,$(addsuffix _perf,all_reduce all_gather alltoall broadcast reduce reduce_scatter sendrecv))

default: $(programs)

build/text:
	mkdir -p $(@D)
	test -e $(NCCL_HOME)/include/nccl.h || { echo "fatal error: nccl.h: No such file or directory" >&2; exit 1; }
	test $(MPI) = 0 || test -e $(MPI_HOME)/include/mpi.h || { echo "fatal error: mpi.h: No such file or directory" >&2; exit 1; }
	echo "stand-in made by the amiforge sandbox for nccl-tests @VERSION@, MPI=$(MPI)" >$@

build/%_perf: build/text
	$(CUDA_HOME)/bin/nvcc $(NVCC_GENCODE) -o $@ $<

.PHONY: default
