"""The Lava processes, one a file, each with its process model.

Lava's compiler executes every file of this directory when it looks for process models: nothing else may live here.
"""
