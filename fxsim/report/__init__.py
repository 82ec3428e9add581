"""The report of a comparison, a sweep or an evaluation: learning curves, rasters, the neuromodulator, and where precision was lost.

build       one of the pages, by what a directory holds
data        reads what a comparison left behind
tables      mean and standard error over seeds, paired differences, losses of precision
figures     PNG and SVG pictures (matplotlib)
page        report.html, self-contained: the pictures, interactive curves (chart.js), the modulator's animation (field.js)
statistics/ its differences by seed, with verdicts, and times to a level
study_*     the same for the sweep of a study: its figures (study.yaml names them), their pictures, its page
evaluation_page     the same for trained weights in other precisions;  formats/     of what formats do to gradients
published   published results of the paper to draw beside
"""
