"""The guard at the end of every stage: Great Expectations suites, their report and their Data Docs."""
