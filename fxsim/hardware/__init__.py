"""What a network needs of hardware: what is counted and measured of it, what that may take in energy, and whether it fits a chip.

memory      bits of each neuron and synapse             operations      integer operations and memory accesses of each step
activity    spikes of trials, NeuroBench's metrics      energy          prices of operations and accesses: energies.yaml
cost        all of it, of a run or a configuration      fit, cores      needs against limits of chips: limits.yaml

Counted (operations, words), measured (spikes) and estimated (energies) never share a table. Nothing here has run on a chip. Read operations, then
cost.
"""
