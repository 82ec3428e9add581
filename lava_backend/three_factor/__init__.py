"""E-prop as a rule of Lava's three-factor learning engine.

rule        the rule, and packages for it                   simulator   what that engine does, exactly
circuit     the network on Lava                             soma, connection, integrator    its processes

Read rule.
"""
