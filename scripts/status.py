"""How far a study is."""

if __name__ == "__main__":
    from _run import run

    run("status")
