"""Lava in processes of its own: one error, nothing left behind.

session     starts lava_backend.worker and talks to it      channels    Lava's channels without helper threads
groups      process groups, shared memory                   availability    whether Lava is here
"""
