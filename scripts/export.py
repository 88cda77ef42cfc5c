"""A trained network as a folder to take away: weights, settings, a model card, ONNX."""

if __name__ == "__main__":
    from _run import run

    run("export")
