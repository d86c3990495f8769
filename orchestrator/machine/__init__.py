"""A machine: QEMU as an argument list, as a lifetime, and as a peer over QMP and SSH."""
