"""Networks that are not drawn.

arrays      of a user's matrices        stored      of a file, or for one
"""
