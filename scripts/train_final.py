"""The best networks of a study trained properly: weights that are kept, and one look at the test split."""

if __name__ == "__main__":
    from _run import run

    run("train_final")
