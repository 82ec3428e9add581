"""The command ``fxsim``. Commands import what they need, so that ``fxsim --help`` is quick.

start       where the process begins: signals and streams that go away      main        the command itself, and how commands end
commands/   a file a family of commands                                     options, tables     options that recur; tables as text
"""
