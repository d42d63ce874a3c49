"""The bench: amiforge beside pyinfra, Ansible and Packer, at one sandbox, in one run."""
