"""EC2 on this machine: moto's API in front of machines that really boot under systemd-nspawn."""
