"""The values that stages exchange: frozen, without I/O, standard library only."""
