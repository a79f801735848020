"""One module a verb: build, ask, compare, recommend, serve … What a verb is made of lies in the folder of its name.
Each takes the project's Parts; Project and the command line call them."""
