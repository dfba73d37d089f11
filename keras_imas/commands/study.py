"""Run a study: a grid of trainings, each in its own process.

    keras-imas study studies/regime.toml

Writes rows for each trial into `studies/regime.csv`, beside the file, and `trial.json`,
the last teacher and the images' hardness into `studies/runs/regime/TRIAL`. Trials that
have rows are skipped: rerun the command to resume; it refuses a `trial.json` of another
recipe or data than the file has now. `keras-imas study-report` shows the rows.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

from absl import app, flags

from keras_imas.command_line.own_command import rerun
from keras_imas.files import lock
from keras_imas.near_miss import did_you_mean
from keras_imas.report import study as report
from keras_imas.runs.flags import define_path
from keras_imas.runs.study import Study

FLAGS = flags.FLAGS
TAKES_ARGUMENTS = True
FIRST = {"Flags": ("list", "jobs", "runs", "trial")}


def define():
    """Define its flags."""
    define_path("runs", "studies/runs", "Directory for the trials' directories.")
    flags.DEFINE_integer(
        "jobs",
        1,
        "Number of trials to run at once; on Linux each has its share of the cores.",
        1,
    )
    flags.DEFINE_boolean("list", False, "List the trials and stop.")
    flags.DEFINE_string(
        "trial", None, "Run only this trial, in this process; write no rows."
    )


def main(argv):
    """Run the trials of a study, or list them.

    Args:
        argv: Program and file of the study.
    """
    if len(argv) != 2:
        raise app.UsageError("One file of a study is needed.")
    try:
        study = Study(argv[1])
        directories = {
            trial.name: os.path.join(FLAGS.runs, study.name, trial.name)
            for trial in study.trials
        }
        for trial in () if FLAGS.trial else study.trials:
            result = _result(directories[trial.name])
            if result is not None:
                study.check_recipe(trial, result)
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    if FLAGS.trial:
        by_name = {trial.name: trial for trial in study.trials}
        if FLAGS.trial not in by_name:
            hint = did_you_mean(FLAGS.trial, by_name)
            sys.exit(
                f"Error: {argv[1]!r} has no trial {FLAGS.trial!r}{hint}. --list lists "
                "them"
            )
        trial = by_name[FLAGS.trial]
        directory = directories[trial.name]
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        study.run(trial, directory)
        return
    table = f"{os.path.splitext(study.path)[0]}.csv"
    if FLAGS.list:
        done = _done(study, table)
        for trial in study.trials:
            print(f"{trial.name}{' (done)' if trial in done else ''}")
        return
    folder = os.path.join(FLAGS.runs, study.name)
    os.makedirs(folder, exist_ok=True)
    try:
        # A second process would remove the trial that the first trains.
        with lock.locked(folder):
            failed = _run_trials(study, argv[1], directories, table)
    except FileExistsError as error:
        sys.exit(f"Error: {error}")
    if failed:
        sys.exit(f"Error: these failed; the same command runs them again: {failed}")


def _done(study, table):
    """Return the trials that have rows."""
    return {study.trial_of(row) for row in report.read(table)}


def _run_trials(study, path, directories, table):
    """Run the trials that have no rows, and return the names of those that failed."""
    done = _done(study, table)
    shares = _shares_of_cores(FLAGS.jobs)
    pool = concurrent.futures.ThreadPoolExecutor(
        FLAGS.jobs, initializer=lambda: _stay_on(shares.pop())
    )
    waiting = {
        pool.submit(_run, path, trial.name, directories[trial.name]): trial.name
        for trial in study.trials
        if trial not in done
    }
    failed = []
    try:
        for trained in concurrent.futures.as_completed(waiting):
            result = trained.result()
            if result is None:
                failed.append(waiting[trained])
            else:
                report.append(table, report.rows_of(result))
    finally:  # after Ctrl-C, those that wait must not start
        pool.shutdown(cancel_futures=True)
    return failed


def _shares_of_cores(jobs):
    """Divide the cores that this process may use; `None` where that can't be."""
    if not hasattr(os, "sched_getaffinity"):  # only Linux has it
        return jobs * [None]
    cores = sorted(os.sched_getaffinity(0))
    return [cores[number::jobs] or cores for number in range(jobs)]


def _stay_on(cores):
    """Let this thread, and the processes that it starts, run on these cores alone."""
    if cores is not None:
        os.sched_setaffinity(0, cores)


def _run(path, name, directory):
    """Run a trial in a process of its own; return its result, `None` if it failed."""
    result = _result(directory)
    if result is None:
        print(name, flush=True)
        subprocess.run(rerun(path, f"--trial={name}", f"--runs={FLAGS.runs}"))
        result = _result(directory)
    return result


def _result(directory):
    """Return what a trial found; `None` where it has not ended."""
    path = os.path.join(directory, "trial.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)
