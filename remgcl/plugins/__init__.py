"""The parts that come with the project, each kind a plugin like any other."""
