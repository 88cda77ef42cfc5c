"""Sample a population from a design space, train every model briefly and collect the records.

    python scripts/sample_and_train.py space=anynetx_c
    python scripts/sample_and_train.py -m space=anynetx_a,anynetx_c,regnetx num_models=100

Running the same command again continues where it stopped. Results: <output_root>/<study>/<space>/.
"""

if __name__ == "__main__":
    from designspace.cli import SAMPLE_AND_TRAIN, main

    main(SAMPLE_AND_TRAIN, __doc__)
