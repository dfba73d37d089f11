"""The commands of `keras-imas`, a module each.

A module has `define()`, which defines its flags, `main(argv)`, and `FIRST`, the flags
that `--help` shows, by headings. One with `prepare(argv)` changes the command line
before its flags are read; one with `TAKES_ARGUMENTS = True` takes more than flags. The
modules of `keras_imas.benchmarks` are alike. `keras_imas.command_line` lists the words
of all.
"""
