"""The command ``fxsim``: a file a family of commands. Commands import what they need, so that ``fxsim --help`` is quick.

main        the command itself, and how commands end            options, tables     options that recur; tables as text
train       train                                               study       compare, sweep, demo, report
precision   presets, calibrate, cost                            verify      verify ...
bench       bench ...                                           exchange, lava      export, import; lava ...
start       what stands before all else: signals, streams       doctor      doctor
"""
