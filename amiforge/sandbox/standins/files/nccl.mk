# Stand-in for the Makefile of NCCL, made by the amiforge sandbox: its targets, its variables, what it leaves behind.
CUDA_HOME ?= /usr/local/cuda
PREFIX ?= /usr/local
BUILDDIR ?= $(abspath ./build)
version := $(firstword $(subst -, ,@VERSION@))
numbers := $(subst ., ,$(version))
header = sed -e "s/\$${nccl:Major}/$(word 1,$(numbers))/" -e "s/\$${nccl:Minor}/$(word 2,$(numbers))/" -e "s/\$${nccl:Patch}/$(word 3,$(numbers))/"

default: src.build
install: src.install

src.build: $(BUILDDIR)/lib/libnccl.so.2 $(BUILDDIR)/include/nccl.h

$(BUILDDIR)/include/nccl.h: src/nccl.h.in
	mkdir -p $(@D)
	$(header) $< >$@

$(BUILDDIR)/lib/libnccl.so.2: src/nccl.h.in
	mkdir -p $(@D)
	echo "stand-in made by the amiforge sandbox for NCCL version $(version)" >$(BUILDDIR)/text
	$(CUDA_HOME)/bin/nvcc $(NVCC_GENCODE) -o $(@D)/libnccl.so.$(version) $(BUILDDIR)/text
	ln -sf libnccl.so.$(version) $@
	ln -sf libnccl.so.2 $(@D)/libnccl.so

src.install: src.build
	mkdir -p $(PREFIX)/lib $(PREFIX)/include
	cp -P $(BUILDDIR)/lib/lib* $(PREFIX)/lib/
	cp $(BUILDDIR)/include/* $(PREFIX)/include/

.PHONY: default install src.build src.install
