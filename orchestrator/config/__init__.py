"""TOML to model, and the catalog: topologies, scenarios, profiles, kernel flavours, architectures."""
