"""What was found, shown: on the terminal, as one HTML file, as JUnit XML, as data for JSON. Decides nothing.

Used by the command line.
"""

from windtunnel.harness.report.as_data import as_data
from windtunnel.harness.report.exact import exact_as_data, print_exact
from windtunnel.harness.report.html import page, write_html
from windtunnel.harness.report.junit import junit, write_junit
from windtunnel.harness.report.pair import Pair
from windtunnel.harness.report.parameters import print_parameters
from windtunnel.harness.report.stack import print_stack
from windtunnel.harness.report.terminal import print_pair

__all__ = [
    "Pair",
    "as_data",
    "exact_as_data",
    "junit",
    "page",
    "print_exact",
    "print_pair",
    "print_parameters",
    "print_stack",
    "write_html",
    "write_junit",
]
