"""The Lava backend: the same network, learning included, as processes of Lava (lava-nc 0.10), bit for bit; and its deployment.

package         a network on disk: weights, topology, formats, a script         deployment      running it, held against the simulator
runtime/        Lava in a child process group; worker: what runs there          exact/          the network as processes, to the bit
three_factor/   e-prop on Lava's learning engine                                stock/          Lava's own LIF and Sparse
studies/        comparisons with Lava that end in files                         progress        what a terminal shows
nir             graphs of NIR

Read package, then exact/layer, then runtime/session. Only exact, three_factor's processes, the circuits and channels import Lava.
"""
