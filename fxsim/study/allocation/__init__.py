"""Word bits of all quantities at once: chosen by what each costs and what it does to the gradient, measured together, confirmed by training.

noise       what a format does to the gradient, from the table of a sensitivity        costs       what formats take in memory and energy
front       the cheapest formats for each noise                                        joint       their noise, measured
confirm     trainings with paired seeds                                                allocate    all of it, and the files
"""
