"""What people look at: figures, tables and text of an analysis; everything in them was computed before."""
