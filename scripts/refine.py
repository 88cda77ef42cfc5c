"""What a restriction of a space would change, read off its trained population."""

if __name__ == "__main__":
    from _run import run

    run("refine")
