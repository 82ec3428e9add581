"""Pages of what formats do, to gradients and to costs, and of the bits that quantities need.

alignment_page      how gradients agree
ranges_page         histograms of magnitudes
sensitivity_page    bits that each quantity needs
allocation_page     bits of all quantities at once
pareto              quality, memory and energy of a study's conditions: a figure of its page

Read alignment_page.
"""
