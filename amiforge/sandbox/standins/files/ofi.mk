# Stand-in for the Makefile of aws-ofi-nccl, made by the amiforge sandbox.
prefix =

all: libnccl-net-ofi.so

libnccl-net-ofi.so:
	echo "stand-in made by the amiforge sandbox: NET/OFI Initializing aws-ofi-nccl @VERSION@" >$@

install: all
	mkdir -p $(prefix)/lib
	cp libnccl-net-ofi.so $(prefix)/lib/
	cp libnccl-net-ofi.so $(prefix)/lib/libnccl-net.so

.PHONY: all install
