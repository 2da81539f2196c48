"""The commands for people, one to a module, each imported only when it is used."""
