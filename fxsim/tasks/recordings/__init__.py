"""Spikes and targets in files: what the task ``dataset`` reads. Everything wrong is one line: file, array, found, allowed.

    events, .npz        times (E,), units (E,), and either offsets (B+1,): trial b has the events offsets[b] to offsets[b+1],
                        or trial (E,): the trial of each event, in order
    events, .h5, .hdf5  spikes/times (B,), spikes/units (B,), of variable length each, as the Heidelberg data sets have them
    dense, .npz         spikes (B, T, m) of 0 and 1, a step each
    every one           labels (B,), whole numbers from 0, or targets (B, T, K), a step each; durations (B,) if trials are longer
                        than their last event says (events: in the unit of the times; dense: in steps)

Files are larger than memory may be: .npz by ``numpy.savez`` (not compressed) and HDF5 are read a piece at a time.

sources     arrays in a file                events, dense       the two forms of trials
recording   a file of trials, checked       facts               what one pass over a file finds
"""
from .facts import Clock
from .recording import Recording, open_recording

__all__ = ["Clock", "Recording", "open_recording"]
