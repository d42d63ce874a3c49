# Stand-in for pyxis's Makefile, made by the amiforge sandbox: the same targets, variables and files, and no compiler. As
# with the real one, what CPPFLAGS of the environment say is added to flags of its own; on the command line they replace
# those, and the build fails.
prefix      ?= /usr/local
libdir      ?= $(prefix)/lib
datarootdir ?= $(prefix)/share
datadir     ?= $(datarootdir)

PLUGINDIR := $(abspath $(DESTDIR)/$(libdir)/slurm)
CONFDIR   := $(abspath $(DESTDIR)/$(datadir)/pyxis)
PYXIS_VER ?= @VERSION@
PLUGIN    := spank_pyxis.so

CPPFLAGS := -D_GNU_SOURCE -DPYXIS_VERSION=\"$(PYXIS_VER)\" $(CPPFLAGS)

.PHONY: all install uninstall clean

all: $(PLUGIN)

$(PLUGIN):
	@case '$(CPPFLAGS)' in *-D_GNU_SOURCE*) ;; *) echo 'CLONE_NEWIPC undeclared' >&2; exit 1 ;; esac
	@for word in $(patsubst -I%,%,$(filter-out -D%,$(CPPFLAGS))) /usr/include; do \
	  header=$$word/slurm/slurm_version.h; [ ! -e "$$word/slurm/spank.h" ] || [ ! -e "$$header" ] || break; header=; \
	done; [ -n "$$header" ] || { echo 'slurm/spank.h: No such file or directory' >&2; exit 1; }; \
	{ echo 'stand-in for the SPANK plugin pyxis, made by the amiforge sandbox'; \
	  echo 'pyxis: version v$(PYXIS_VER)'; cat "$$header"; } >$(PLUGIN)

install: all
	install -d -m 755 $(PLUGINDIR)
	install -m 644 $(PLUGIN) $(PLUGINDIR)
	install -d -m 755 $(CONFDIR)
	echo 'required $(libdir)/slurm/$(PLUGIN)' | install -m 644 /dev/stdin $(CONFDIR)/pyxis.conf

uninstall:
	$(RM) $(PLUGINDIR)/$(PLUGIN) $(CONFDIR)/pyxis.conf

clean:
	$(RM) $(PLUGIN)
