"""A tree to a kernel build: kconfig, toolchain, make in a sandbox, and the cache by content."""
