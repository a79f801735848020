"""The command line: one function a command, each one call of a Project method."""
