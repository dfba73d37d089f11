"""Show one run, or several beside each other, on one HTML page.

`--help` says more. It is `keras-imas report`, and written in
`keras_imas.commands.report`.
"""

from keras_imas_command import load, run

main = load("report").main

if __name__ == "__main__":
    run("report")
