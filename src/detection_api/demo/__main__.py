"""`python -m detection_api.demo`: the same as `detection-api demo`."""

from detection_api.demo.cli import demo

demo(prog_name="python -m detection_api.demo")
