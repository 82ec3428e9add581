"""A file a family of commands. Each imports what it needs when it runs.

train       train                                               study       compare, sweep, demo, report
precision   presets, calibrate, evaluate                        verify, bench, doctor       verify ..., bench ..., doctor
chips       cost, fit                                           compiled    build, cache
exchange, lava      export, import; lava ...                    new         new dataset, new task, from templates/
"""
