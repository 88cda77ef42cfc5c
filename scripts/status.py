"""How far a study is: its models by status, the rate, the time left, failures by reason. Writes nothing.

python scripts/status.py
python scripts/status.py study=laptop
python scripts/status.py study=laptop --json

--json prints one object. Its keys: study, folder, time, and spaces, a list; for each space its name as
space; the counts models, done, diverged, failed, running, waiting; best_error in percent; mean_seconds a
model; models_per_hour, with rate_over saying last_hour or whole_run; seconds_left; failures, each with kind,
reason, count and the path of one record; unreadable, a line for each file that cannot be used. What is not
known is null.
"""

if __name__ == "__main__":
    from designspace.cli import STATUS, main

    main(STATUS, __doc__)
