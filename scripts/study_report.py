"""Show what a study found.

`--help` says more. It is `keras-imas study-report`, and written in
`keras_imas.commands.study_report`.
"""

from keras_imas_command import load, run

main = load("study-report").main

if __name__ == "__main__":
    run("study-report")
