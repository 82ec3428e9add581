"""Builders of kernels: one text of the equations becomes a module for one arithmetic and one kind of machine.

module          the module's text: types, update functions, the kernels of a template
plan            binary points, machine words, and the proof that nothing overflows
arithmetic_text, rounded_sums, machine_words, rewrite       the update functions on integers
random_text     random bits of a template
cache           modules from their text; fxsim.files.cache keeps it

Read module, then plan.
"""
