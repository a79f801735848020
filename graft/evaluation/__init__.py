"""Evaluation: Questions × an Answerer → Runs → metric values, one number (or a null with its reason) a question.

questions, question_record   the held-out file, checked
run                          every question put to one system; resumable; latency timed apart
metrics                      the catalogue, and `score`
metrics_answers, metrics_evidence, metrics_usage   the metrics with their cards
cards                        what a metric is
correctness, groundedness, citations, relevance, retrieval_metrics   what they rest on: plain values in, numbers out
text, figures, abstention    reading what an answer says
"""
