# Works from a fresh clone with python3 and make; what is missing is installed, with a line that says what.
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECIPES := base dlami_gpu dlami_neuron eks_gpu pcluster_cpu pcluster_gpu pcluster_neuron
AMIS := $(addprefix ami_,$(RECIPES))

# The Debian packages of programs that are not on PATH. Only root on a system with apt installs them; elsewhere the
# sandbox names what it lacks, and its tests are skipped.
PROGRAMS := systemd-nspawn:systemd-container mmdebstrap:mmdebstrap rpmbuild:rpm createrepo_c:createrepo-c gpg:gpg ssh:openssh-client
# Besides, the tests want a real sshd and sudo to misbehave, and a program that nobody here wrote to use the sandbox.
test bench: PROGRAMS += sshd:openssh-server sudo:sudo git:git busybox:busybox packer:packer
PACKAGES = $(foreach pair,$(PROGRAMS),$(if $(shell command -v $(word 1,$(subst :, ,$(pair))) 2>/dev/null),,$(word 2,$(subst :, ,$(pair)))))
ROOT_WITH_APT = $(and $(filter 0,$(shell id -u)),$(shell command -v apt-get 2>/dev/null))

.PHONY: help venv programs demo test nightly deaths test-lowest check format bench docs clean ami $(AMIS)

help:
	@echo 'make demo         bake eks_gpu in the sandbox on this machine (as root)'
	@echo 'make test         run the tests; those that boot machines too when root'
	@echo 'make nightly      try every property with 1,000 examples'
	@echo 'make test-lowest  run the unit tests with the lowest versions we allow'
	@echo 'make deaths       kill a bake hundreds of times, and look at what is left'
	@echo 'make check        lint, format, types, import layers, documentation'
	@echo 'make bench        compare with pyinfra, Ansible and Packer (as root)'
	@echo 'make docs         build the documentation into site/'
	@echo 'make ami_eks_gpu  bake one image; also: $(filter-out ami_eks_gpu,$(AMIS))'
	@echo 'make ami          bake every image'

# --- what everything else needs ---------------------------------------------------------------------------------------

venv: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("amiforge needs Python 3.11 or newer: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    test -n '$(ROOT_WITH_APT)' || { echo 'this Python has no venv; on Debian: sudo apt-get install python3-venv'; exit 1; }; \
	    echo 'installing with apt: python3-venv'; apt-get -qq update && apt-get -qq install -y python3-venv >/dev/null; }
	@echo 'installing into $(VENV): amiforge and what its tests, checks and docs need'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[sandbox]' --group test --group check --group docs
	@touch $@

programs:
ifneq ($(ROOT_WITH_APT),)
	@test -z '$(strip $(PACKAGES))' || { echo 'installing with apt: $(strip $(PACKAGES))'; \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(PACKAGES) >/dev/null; }
endif

# --- what people ask for ----------------------------------------------------------------------------------------------

demo: venv programs
	$(BIN)/amiforge bake eks_gpu --sandbox

# Two of the workers boot machines, and mostly wait for them.
test: venv programs
	$(BIN)/pytest -n 3 --dist loadscope

# Every boundary of the journal and random times in between; what is printed are deaths, boundaries and leaks.
deaths: venv
	$(BIN)/python -m tests.deaths

# It says at its end how many examples there were.
nightly: venv
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -n 2 --dist load --timeout 3600 tests/properties

test-lowest: $(VENV)-lowest/.ready
	$(VENV)-lowest/bin/pytest -n 2 tests/unit

$(VENV)-lowest/.ready: pyproject.toml | venv
	@echo 'installing into $(VENV)-lowest: the lowest versions that pyproject.toml allows'
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VENV)-lowest
	@VIRTUAL_ENV=$(VENV)-lowest $(BIN)/uv pip install --quiet --resolution lowest-direct --editable '.[sandbox]' --group test
	@touch $@

check: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

format: venv
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: venv programs
	$(BIN)/python -m tests.bench

docs: venv
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(VENV)-lowest site docs/reference

# --- the targets of the package that amiforge replaces: make ami_eks_gpu, AWS_REGION=us-east-2 make ami_base ----------

$(AMIS): ami_%: venv
	$(BIN)/amiforge bake $*

ami: venv
	$(BIN)/amiforge bake all
