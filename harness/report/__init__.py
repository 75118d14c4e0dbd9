"""What was found, shown: on the terminal, as one HTML file, as JUnit XML, as JSON. Decides nothing."""
