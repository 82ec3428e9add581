"""What a sweep's page says of its runs against each other.

questions   the differences that a study asks for, in families, their answers, and times to a level
replication our runs beside the authors' of the paper
rows        all of it as rows of the page's tables
"""
