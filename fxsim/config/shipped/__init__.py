"""The shipped configurations: the parameters of arXiv 2603.08949, one YAML file a task."""
