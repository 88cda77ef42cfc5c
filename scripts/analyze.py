"""Compare all spaces of a study, finished or not: tables and figures in <output_root>/<study>/analysis/.

python scripts/analyze.py
python scripts/analyze.py study=laptop
"""

if __name__ == "__main__":
    from designspace.cli import ANALYZE, main

    main(ANALYZE, __doc__)
