"""From images and a budget to one network in a folder: all steps in a row."""

if __name__ == "__main__":
    from _run import run

    run("find")
