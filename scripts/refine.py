"""What would a restriction of a space change? Read off its trained population, without training.

    python scripts/refine.py space=anynetx_c
    python scripts/refine.py space=anynetx_c 'restrict.bottleneck_ratios={range: [1, 2]}'
    python scripts/refine.py space=anynetx_c restrict.widths=non_decreasing name=my_space

Without a restriction it proposes some, and says how sure they are. With one, it compares the models that
meet it with the others. A name also writes the refined space, ready for scripts/sample_and_train.py, and a
record of the step; the same command fills in the verdict once the refined space is trained in the same study.
"""

if __name__ == "__main__":
    from designspace.cli import REFINE, main

    main(REFINE, __doc__)
