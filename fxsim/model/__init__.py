"""What is computed: the network as data, and the equations written once.

network     constants, topology, weights, trials        topology    drawn from a configuration
steps       the update equations, written once          softmax     the same for the error of classification
arithmetic  between model units and stored numbers      telemetry   what is counted of each quantity
wiring      index arrays of synapses and neighbours     permutations, draws     the controls' shuffles; generators by name
given/      a network of a user's arrays, and in a file

Read network, then steps.
"""
