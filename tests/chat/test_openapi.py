"""test_openapi.py - openapi.yaml names what the code has, and nothing else."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
# pylint: disable=wrong-import-position
import lab  # noqa: E402
import openapi  # noqa: E402

SERVICE = "chat"


def test_openapi_has_every_route_and_no_other():
    openapi.check_routes(SERVICE)


def test_openapi_names_each_operations_level_and_scope():
    openapi.check_levels_and_scopes(SERVICE)


def test_openapi_refers_only_to_what_it_defines():
    openapi.check_references(SERVICE)


def test_openapi_lists_every_problem():
    openapi.check_problems(SERVICE)


if __name__ == "__main__":
    lab.run(sys.modules[__name__])
