"""Evaluation: Questions × an Answerer → Runs → metric values, one number (or a null with its reason) a question.

question_sets/   the held-out file, read, imported or made; checked
run, recorded    every question put to one system; resumable; latency timed apart. What another system said
live             what a server was really asked
checks/          what one text says, and how one list is ranked: what the metrics rest on
metrics/         catalogue: the names, and `score`; cards: what a metric is; the rest: the metrics themselves
judging/         a judge's verdicts: asked, voted, kept, and as metrics of their own
labelling/       what people say of a drawn sample of answers
retention/       what a tuned model has forgotten
"""
