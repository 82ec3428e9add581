"""One page of several sweeps, a task each: the paper's figure 2 with what integers do to it.

page        report.html: the answer, the figure, then each sweep's charts and differences
answer      what the differences say, in sentences
figure      the tasks' trials above, learning curves below, as the paper has them
trained     one trial of trained networks, for rasters and the neuromodulator's animation
"""
