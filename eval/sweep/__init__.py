"""Many runs: `python -m eval.sweep`.

wanted     what is asked for: cells of tables, a grid, a file; and of that, what no record has
cost       what it costs
claims     who runs what, as files that all machines see
attempt    one run, once: its claim, its process, how it ended
engines/   what carries attempts: a pool here, Ray, Slurm
drive      the loop: submits, takes up again what died, waits for others
data, tied, progress, screen, status: data made ready once; a run that ends with its sweep; how far a run is; what is shown
"""
