"""Compare all spaces of a study, finished or not."""

if __name__ == "__main__":
    from _run import run

    run("analyze")
