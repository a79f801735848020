"""One module a verb: build, ask, compare, recommend, serve … Each takes the project's Parts; Project and the command line call them."""
