"""A driver with this folder on its PYTHONPATH adds a byte to the file POLLS before each sleep."""

import os
import time

sleep = time.sleep


def counted_sleep(seconds):
    if "SLURM_JOB_ID" not in os.environ:  # not in a task
        with open(os.environ["POLLS"], "a") as file:
            file.write(".")
    sleep(seconds)


time.sleep = counted_sleep
