"""A file a family of commands. Each imports what it needs when it runs.

train       train                                   study       compare, sweep, demo, report
precision   presets, calibrate, evaluate            bits        align, ranges, sensitivity
chips       cost, fit                               verify      verify ..., doctor
bench       bench ...                               compiled    build, cache
exchange    export, import, network                 lava        lava ...
new         new dataset, new task, from templates/
"""
