"""Pages of what formats do: to gradients, and of the bits that quantities need.

alignment_page      how gradients agree
ranges_page         histograms of magnitudes

Read alignment_page.
"""
