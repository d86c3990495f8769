"""The guest image: a deterministic initramfs, and the payload of a trial."""
