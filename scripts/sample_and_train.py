"""Sample a population from a design space, train every model briefly and collect the records."""

if __name__ == "__main__":
    from _run import run

    run("sample_and_train")
