"""The demo project's data: `build` writes examples/handbook from `content/`, `verify` checks it."""
