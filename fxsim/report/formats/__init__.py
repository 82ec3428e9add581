"""Pages of what formats do: to gradients, and of the bits that quantities need.

alignment_page      how gradients agree

Read alignment_page.
"""
