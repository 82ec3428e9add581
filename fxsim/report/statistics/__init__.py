"""What a sweep's page says of its runs against each other.

questions   the differences that a study asks for, in families, their answers, and times to a level
rows        both as rows of the page's tables
"""
