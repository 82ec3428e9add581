"""Pages of what formats do: to gradients, and of the bits that quantities need.

alignment_page      how gradients agree
ranges_page         histograms of magnitudes
sensitivity_page    bits that each quantity needs

Read alignment_page.
"""
